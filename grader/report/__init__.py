"""The same records as text, as JSON, and whatever else people read. Nothing here decides anything."""
