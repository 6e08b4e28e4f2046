"""Step 2: every client by a process of its own."""

from tests.checks import leaving, watchers
from tests.checks.leaving import FEWER
from tests.checks.lines import STRETCH, Suite

WATCHERS = watchers.IN_CHILDREN
MAIN = "stalled"  # whose picture stands open on the page
line = Suite(globals(), leaves=leaving.LINES_OF_PROCESSES)

line("answers", 2)

# The idea of this step

line("own_processes", 8)
line("stalled", 7, count=50)
line("stalled_readers", 5)
line("parent_lets_go", 6)
line("end_of_stream", 4)
line("parent_descriptors", 3)
line("zombies_in_a_row", 3)
line("zombies_at_once", 4)
line("processes_return", 3)

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
line("vanishing", 2, each=FEWER)
line("reset_in_answer", 2, each=FEWER)
line("no_leak", 1, each=FEWER, parent=False)
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
