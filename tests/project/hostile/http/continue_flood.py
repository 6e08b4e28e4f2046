"""Attack: interim answers without end, and never the answer
Hurts: kept
"""

FIRST = b""
THEN = b"HTTP/1.1 100 Continue\r\n\r\n" * 999
