"""Step 5: one thread asks each non-blocking socket in turn."""

from tests.checks import watchers
from tests.checks.lines import STRETCH, Suite

WATCHERS = watchers.IN_TURN
MAIN = "stalled"  # whose picture stands open on the page
line = Suite(globals())

line("answers", 2, nonblocking=True)

# The idea of this step

line("one_thread", 6)
line("nonblocking", 9)
line("in_turn", 7)
line("stalled", 8, count=50)
line("stalled_readers", 7)
line("end_of_stream", 6)

# Files, framing, safety, robustness: the same in every step

line("contents", 2)
line("large_file", 2)
line("names", 2)
line("queries", 1)
line("folders", 1)
line("fresh_files", 1)
line("missing", 3)
line("outside", 3)
line("wandering", 1)
line("links", 2)
line("other_methods", 2)
line("junk", 2)
line("pieces", 3)
line("byte_by_byte", 2)
line("long_head", 2)
line("endless_head", 2)
line("strict", 3)
line("library", 1)
line("half_close", 2)
line("slow_reader", 2)
line("vanishing", 2)
line("reset_in_answer", 2)
line("no_leak", 1)
line("patience", 1, count=200)
line("command_line", 1)
line("signals", 2)
line("restart", 2)
line("goes_on", 2)
line("thousand", 1)
line("flood", 2, in_turn=True)

# Beside the points

line("ends_in_service", STRETCH)
line("output_closed", STRETCH)
line("descriptors_run_out", STRETCH)
