"""Where the learner is: what the last grading of each step said, and whether the file has changed since.

Each run of `step01` to `step08` leaves its result as a file of JSON (grader/report/records.py); nothing else is kept.
"""

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

from grader import STEPS
from grader.learn import home
from grader.record import FULL
from grader.words import plural


def last(kept: Path, step: str) -> dict[str, Any] | None:
    """The last result of this step, None if there is none that can be read."""
    try:
        data = json.loads((kept / "results" / f"{step[:2]}.json").read_text("utf-8"))["steps"][0]
        return data if isinstance(data["score"], int) and isinstance(data["checks"], list) else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def changed(result: dict[str, Any], step: str) -> bool:
    path = home.script(step)
    return not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != result.get("sha256")


def failed(result: dict[str, Any], stretch: bool = False) -> list[dict[str, Any]]:
    """The checks with points that failed, as they stand in the rubric; then, if asked for, the stretch ones."""
    wrong = [check for check in result["checks"] if check["outcome"] == "failed" and (stretch or not check["stretch"])]
    return sorted(wrong, key=lambda check: bool(check["stretch"]))


def line(kept: Path, step: str) -> tuple[str, str]:
    """Points, and what there is to do."""
    if not home.script(step).exists():
        return "", f"server.py is not there; `./toxw -e reset -- {step[:2]}` puts the skeleton there"
    if home.script(step).read_bytes() == home.skeleton(step).encode():
        return "", "not begun"
    result = last(kept, step)
    todo = home.open_todo(step)
    if result is None:
        return "", todo or f"not graded; `./toxw -e step{step[:2]}`"
    points = f"{result['score']:3} of {FULL}"
    if changed(result, step):
        return points, f"changed since; {todo or f'`./toxw -e step{step[:2]}` grades it'}"
    wrong = failed(result)
    return points, todo or (f"{plural(len(wrong), 'check')} failed, the first: {wrong[0]['name']}" if wrong else "done")


def show(options: argparse.Namespace) -> int:
    first_open = ""
    for step in STEPS:
        points, what = line(options.kept, step)
        print(f"  {step:<20} {points:>10}  {what}")
        if what != "done" and not first_open:
            first_open = step
    if first_open:
        print(f"\nnext: steps/{first_open}/README.md, then `./toxw -e step{first_open[:2]}`")
    else:
        print("\nall eight steps are done")
    return 0
