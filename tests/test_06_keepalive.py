"""Step 6: as step 5, with long connections."""

from tests.checks import watchers
from tests.checks.lines import STRETCH, Suite

WATCHERS = watchers.IN_TURN
MAIN = "stalled"  # whose picture stands open on the page
line = Suite(globals())

line("answers", 2, nonblocking=True)

# The idea of this step

line("hundred", 4)
line("lengths", 4)
line("asked_to_close", 4)
line("close_after_all", 2)
line("not_asked_to_close", 3)
line("http10", 3)
line("pipelined", 3)
line("pipelined_pieces", 2)
line("first_of_two", 1)
line("pipelined_half_close", 1)
line("pipelined_slowly", 1)
line("forgets_idle", 1)
line("one_thread", 2)
line("nonblocking", 3)
line("in_turn", 3)
line("stalled", 3, count=50)
line("stalled_readers", 3)

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
line("idle_ends", STRETCH)
