"""Step 8: as step 7, with long connections."""

from tests.checks import watchers
from tests.checks.lines import STRETCH, Suite

WATCHERS = watchers.IN_EPOLL
MAIN = "idle_crowd"  # whose picture stands open on the page
line = Suite(globals())

line("answers", 2, nonblocking=True)

# The idea of this step

line("one_thread", 1)
line("sleeps_in_epoll", 3)
line("watches", 3, count=1000)
line("stalled", 4, count=1000)
line("stalled_readers", 3)
line("idle_crowd", 2, count=1000)
line("idle", 3, count=1000)
line("idle_readers", 1)
line("idle_after_resets", 2)
line("burst", 1)
line("hundred", 3)
line("lengths", 2)
line("asked_to_close", 3)
line("close_after_all", 1)
line("not_asked_to_close", 2)
line("http10", 2)
line("pipelined", 2)
line("pipelined_pieces", 1)
line("first_of_two", 1)
line("pipelined_half_close", 1)
line("pipelined_slowly", 1)
line("forgets_idle", 1)

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
line("ten_thousand", STRETCH)
line("idle_ends", STRETCH)
