"""Step 7: one thread sleeps in epoll until the kernel names a socket."""

from tests.checks import watchers
from tests.checks.lines import STRETCH, Suite

WATCHERS = watchers.IN_EPOLL
MAIN = "stalled"  # whose picture stands open on the page
line = Suite(globals())

line("answers", 2, nonblocking=True)

# The idea of this step

line("one_thread", 3)
line("sleeps_in_epoll", 6)
line("watches", 8, count=200)
line("stalled", 6, count=200)
line("stalled_readers", 5)
line("idle", 5, count=200)
line("idle_readers", 2)
line("idle_after_resets", 2)
line("burst", 2)
line("end_of_stream", 4)

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
