"""Step 3: every client by a thread of its own, in the one process."""

from tests.checks import leaving, watchers
from tests.checks.lines import STRETCH, Suite

WATCHERS = watchers.IN_THREADS
MAIN = "stalled"  # whose picture stands open on the page
line = Suite(globals(), leaves=leaving.LINES_OF_THREADS)

line("answers", 2)

# The idea of this step

line("own_threads", 12)
line("stalled", 10, count=50)
line("stalled_readers", 8)
line("threads_return", 7)
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
line("patience", 1, count=50)
line("command_line", 1)
line("signals", 2)
line("restart", 2)
line("goes_on", 2)
line("thousand", 1)
line("flood", 2, in_turn=False)

# Beside the points

line("ends_in_service", STRETCH)
line("output_closed", STRETCH)
line("none_to_be_had", STRETCH)
line("descriptors_run_out", STRETCH)
