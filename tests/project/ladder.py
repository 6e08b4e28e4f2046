"""The ladder: every solution graded as the step after its own loses the points of the new ideas, and no others.

    python tests/project/ladder.py          writes proofs/ladder.md

Exit status 1 if a solution loses other checks than NEW says.
"""

import itertools
import sys
import tempfile
from datetime import date
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
sys.path[:0] = [str(HERE), str(REPOSITORY)]

from matrix import run  # noqa: E402

from grader import STEPS  # noqa: E402

LONG = {
    *("hundred", "asked_to_close", "not_asked_to_close", "library", "patience"),
    *("pipelined", "pipelined_pieces", "first_of_two", "pipelined_half_close", "pipelined_slowly"),
}

#: Step -> the checks that are new in it, and that the solution of the step before it therefore loses.
NEW = {
    # Clients who stall, or do not read, or go on for ever, delay nobody.
    "02_multiprocess": {"own_processes", "parent_lets_go", "stalled", "stalled_readers", "endless_head"},
    "03_multithread": {"own_threads"},
    "04_gevent": {"one_os_thread", "gevent"},
    "05_nonblocking": {"in_turn"},
    "06_keepalive": LONG,
    # A step to the side: epoll is learnt with short connections, as in step 5.
    "07_epoll": {
        *("sleeps_in_epoll", "watches", "idle", "idle_readers", "idle_after_resets"),
        *("end_of_stream", "strict", "stalled"),
    },
    "08_epoll_keepalive": LONG | {"idle_crowd"},
}


def grade_as(solution: str, step: str) -> dict:
    """The result of one step's solution handed in as another step."""
    with tempfile.TemporaryDirectory() as name:
        target = Path(name) / "submission" / step
        target.mkdir(parents=True)
        (target / "server.py").write_bytes((REPOSITORY / "solutions" / solution / "server.py").read_bytes())
        return run(step, target.parent, Path(name))[0]


def main() -> int:
    wrong = 0
    lines = [
        "# The ladder",
        "",
        f"Each solution graded as the step after its own (`tox -e ladder`, {date.today()}): it loses the new ideas, "
        "and keeps the rest.",
        "",
        "| solution | graded as | points | lost |",
        "|---|---|--:|---|",
    ]
    for solution, step in itertools.pairwise(STEPS):
        result = grade_as(solution, step)
        lost = {
            test["extra_data"]["check"]
            for test in result["tests"]
            if test["extra_data"]["outcome"] != "passed" and "stretch" not in test["tags"]
        }
        lines.append(f"| {solution} | {step} | {result['score']:g} | {', '.join(sorted(lost))} |")
        print(lines[-1], flush=True)
        if lost != NEW[step]:
            wrong += 1
            print(f"  expected {sorted(NEW[step])}", flush=True)
    (REPOSITORY / "proofs" / "ladder.md").write_text("\n".join(lines) + "\n", "utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
