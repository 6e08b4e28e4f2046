"""Hints in steps: for the TODO that is next, or, when none is left, for what failed first.

They stand in steps/NN_name/HINTS.md: a heading for each TODO, and under it a numbered list from a question to
nearly the answer.
"""

import argparse
import re
import shutil
import textwrap

from grader.finding import CannotGrade
from grader.grading import REPOSITORY
from grader.learn import home, progress
from grader.report.text import printable

HEADING = re.compile(r"^## TODO (\d+)$", re.M)
ITEM = re.compile(r"^(\d+)\. (.*(?:\n(?!\d+\. ).+)*)", re.M)


def hints(step: str) -> dict[int, list[str]]:
    """TODO -> its hints, each as one line."""
    parts = HEADING.split((REPOSITORY / "steps" / step / "HINTS.md").read_text("utf-8"))
    pairs = zip(parts[1::2], parts[2::2], strict=True)
    return {int(number): [" ".join(item[1].split()) for item in ITEM.findall(text)] for number, text in pairs}


def show(options: argparse.Namespace) -> int:
    step, number = options.step, options.number
    if todo := home.open_todo(step):
        told = hints(step)[int(todo.split()[1].rstrip(":"))]
        about = todo
    else:
        result = progress.last(options.kept, step)
        wrong = progress.failed(result) if result and not progress.changed(result, step) else []
        if not wrong:
            done = result and not progress.changed(result, step)
            print("nothing is left to do" if done else f"no TODO is left; `./toxw -e step{step[:2]}` says what fails")
            return 0
        finding = wrong[0]["finding"] or {}
        about = f"{wrong[0]['name']}: {wrong[0]['title']}"
        stood = "; ".join(finding.get("stood", [])[:2])
        told = [hint for hint in (finding.get("look_at"), finding.get("cause"), stood) if hint]
        told.append(f"read steps/{step}/README.md again, and the lines of GRADING.md about this step")
    if not 1 <= number <= len(told):
        raise CannotGrade(f"there are {len(told)} hints for this: 1 to {len(told)}")
    width = min(shutil.get_terminal_size().columns, 100)
    hint = textwrap.fill(
        printable(f"hint {number} of {len(told)}: {told[number - 1]}"),
        width,
        initial_indent="  ",
        subsequent_indent="  ",
        break_on_hyphens=False,
        break_long_words=False,
    )
    print(f"{printable(about)}\n\n{hint}")
    if number < len(told):
        print(f"\nmore: `./toxw -e hint -- {step[:2]} {number + 1}`")
    return 0
