"""Which TODO each line of the rubric belongs to: where to look when it is lost, what to try when that is written.

A line may belong to two. NONE has those that rest on what a skeleton brings finished.
"""

from grader import STEPS

NONE = 0

#: Step -> TODO -> the lines that show whether it is right; all lines of the step stand here.
LINES = {
    "01_blocking": {
        1: "one_thread one_at_a_time backlog thousand ends_in_service output_closed",
        2: "pieces byte_by_byte long_head endless_head half_close vanishing patience",
        3: "missing other_methods junk strict library",
        4: "junk goes_on",
        5: "names queries folders outside wandering goes_on",
        6: "contents large_file fresh_files missing links slow_reader reset_in_answer no_leak",
        NONE: "answers end_of_stream command_line signals restart",
    },
    "02_multiprocess": {
        1: "own_processes stalled stalled_readers processes_return signals ends_in_service none_to_be_had",
        2: "parent_lets_go end_of_stream no_leak thousand",
        3: "parent_descriptors zombies_in_a_row zombies_at_once goes_on",
        NONE: "answers contents large_file names queries folders fresh_files missing outside wandering links"
        " other_methods junk pieces byte_by_byte long_head endless_head strict library half_close slow_reader"
        " vanishing reset_in_answer patience command_line restart flood output_closed",
    },
    "03_multithread": {
        1: "own_threads stalled stalled_readers ends_in_service",
        2: "answers own_threads stalled threads_return thousand none_to_be_had",
        NONE: "end_of_stream contents large_file names queries folders fresh_files missing outside wandering links"
        " other_methods junk pieces byte_by_byte long_head endless_head strict library half_close slow_reader"
        " vanishing reset_in_answer no_leak patience command_line signals restart goes_on flood output_closed"
        " descriptors_run_out",
    },
    "04_gevent": {
        1: "answers one_os_thread gevent stalled_readers",
        2: "one_os_thread gevent stalled thousand ends_in_service output_closed",
        NONE: "end_of_stream contents large_file names queries folders fresh_files missing outside wandering links"
        " other_methods junk pieces byte_by_byte long_head endless_head strict library half_close slow_reader"
        " vanishing reset_in_answer no_leak patience command_line signals restart goes_on flood"
        " descriptors_run_out",
    },
    "05_nonblocking": {
        1: "stalled descriptors_run_out",
        2: "one_thread in_turn stalled goes_on thousand output_closed",
        3: "nonblocking stalled_readers",
        4: "vanishing reset_in_answer no_leak patience",
        5: "pieces byte_by_byte long_head endless_head half_close flood",
        6: "end_of_stream contents large_file fresh_files slow_reader stalled_readers",
        NONE: "answers names queries folders missing outside wandering links other_methods junk strict library"
        " command_line signals restart ends_in_service",
    },
    "06_keepalive": {
        1: "answers hundred lengths pipelined pipelined_pieces first_of_two",
        2: "asked_to_close not_asked_to_close http10",
        3: "hundred close_after_all pipelined pipelined_half_close pipelined_slowly forgets_idle large_file library"
        " slow_reader no_leak patience goes_on idle_ends",
        NONE: "one_thread nonblocking in_turn stalled stalled_readers contents names queries folders fresh_files"
        " missing outside wandering links other_methods junk pieces byte_by_byte long_head endless_head strict"
        " half_close vanishing reset_in_answer command_line signals restart thousand flood ends_in_service"
        " output_closed descriptors_run_out",
    },
    "07_epoll": {
        1: "answers watches burst",
        2: "answers sleeps_in_epoll watches stalled idle burst thousand",
        3: "sleeps_in_epoll stalled_readers idle idle_readers idle_after_resets large_file slow_reader vanishing"
        " reset_in_answer no_leak goes_on",
        NONE: "one_thread end_of_stream contents names queries folders fresh_files missing outside wandering links"
        " other_methods junk pieces byte_by_byte long_head endless_head strict library half_close patience"
        " command_line signals restart flood ends_in_service output_closed descriptors_run_out",
    },
    "08_epoll_keepalive": {
        1: "answers one_thread sleeps_in_epoll watches stalled stalled_readers idle_crowd idle idle_readers"
        " idle_after_resets burst large_file slow_reader vanishing reset_in_answer no_leak goes_on thousand"
        " descriptors_run_out ten_thousand",
        2: "hundred lengths pipelined pipelined_pieces first_of_two",
        3: "asked_to_close not_asked_to_close http10",
        4: "hundred close_after_all pipelined pipelined_half_close pipelined_slowly forgets_idle library patience"
        " idle_ends",
        NONE: "contents names queries folders fresh_files missing outside wandering links other_methods junk pieces"
        " byte_by_byte long_head endless_head strict half_close command_line signals restart flood ends_in_service"
        " output_closed",
    },
}
GATE = "answers"


def lines(step: str, todo: int) -> list[str]:
    """The lines of a TODO; none if the step has no such TODO."""
    return LINES[step].get(todo, "").split()


def todos(step: str) -> list[int]:
    return sorted(number for number in LINES[step] if number != NONE)


def of(step: str, name: str) -> list[int]:
    """The TODOs that a line belongs to; [] if it is about none, or no line of the step."""
    return [number for number in todos(step) if name in lines(step, number)]


def selection(step: str, todo: int) -> str:
    """What selects the gate and the lines of a TODO, and no other, as an expression for -k."""
    wanted = {GATE, *lines(step, todo)}
    every = {f"test_{name}" for number in LINES[step] for name in lines(step, number)}
    parts = []
    for name in sorted(f"test_{name}" for name in wanted):
        others = sorted(other for other in every if name in other and other.removeprefix("test_") not in wanted)
        parts.append(" and not ".join([name, *others]))
    return " or ".join(f"({part})" if " " in part else part for part in parts)


assert tuple(LINES) == STEPS
