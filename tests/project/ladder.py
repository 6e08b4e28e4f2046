"""The ladder: every solution graded as the step after its own loses the points of the new ideas, and no others.

    python tests/project/ladder.py          writes proofs/ladder.md

Exit status 1 if a solution loses other checks than NEW says.
"""

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
    *("hundred", "lengths", "asked_to_close", "close_after_all", "not_asked_to_close", "http10", "pipelined"),
    *("pipelined_pieces", "first_of_two", "pipelined_half_close", "pipelined_slowly", "forgets_idle", "library"),
}

#: Step -> the checks that are new in it, and that the solution before it therefore loses.
NEW: dict[str, set[str]] = {}


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
    for solution, step in zip(STEPS, STEPS[1:], strict=False):
        result = grade_as(solution, step)
        lost = {
            test["extra_data"]["check"]
            for test in result["tests"]
            if test["extra_data"]["outcome"] != "passed" and "stretch" not in test["tags"]
        }
        lines.append(f"| {solution} | {step} | {result['score']:g} | {', '.join(sorted(lost))} |")
        print(lines[-1], flush=True)
        if lost != NEW.get(step):
            wrong += 1
            print(f"  expected {sorted(NEW.get(step, ()))}", flush=True)
    (REPOSITORY / "proofs" / "ladder.md").write_text("\n".join(lines) + "\n", "utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
