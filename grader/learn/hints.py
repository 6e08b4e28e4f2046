"""Hints in steps: for the TODO that is next; when none is left, for the one that what failed first belongs to; or any.

They stand in steps/NN_name/HINTS.md: a heading for each TODO, and under it a numbered list from a question to
nearly the answer.
"""

import argparse
import re
import shutil
import textwrap
from dataclasses import dataclass
from typing import Any

from grader.finding import CannotGrade
from grader.grading import REPOSITORY
from grader.learn import home, progress, todos
from grader.report.advice import number_of
from grader.report.text import printable

HEADING = re.compile(r"^## TODO (\d+)$", re.M)
ITEM = re.compile(r"^(\d+)\. (.*(?:\n(?!\d+\. ).+)*)", re.M)


@dataclass
class Advice:
    """about: what it is for. told: hints, the plainest last. beside: what else there is, a line each. option: what
    leads to these hints again, after the step."""

    about: str
    told: list[str]
    beside: list[str]
    option: str = ""


def hints(step: str) -> dict[int, list[str]]:
    """TODO -> its hints, each as one line. Raises CannotGrade if the file of the hints is gone."""
    path = REPOSITORY / "steps" / step / "HINTS.md"
    try:
        parts = HEADING.split(path.read_text("utf-8"))
    except OSError as error:
        back = f"`git checkout HEAD -- {home.shown(path)}` brings it back"
        raise CannotGrade(f"{home.shown(path)} cannot be read: {error.strerror}; {back}") from None
    pairs = zip(parts[1::2], parts[2::2], strict=True)
    return {int(number): [" ".join(item[1].split()) for item in ITEM.findall(text)] for number, text in pairs}


def advice(step: str, todo: int | None, options: argparse.Namespace) -> Advice | None:
    """What there is to say; None if nothing is left to do, or nothing is known."""
    if todo is not None:
        if todo not in todos.todos(step):
            raise CannotGrade(f"there is no TODO {todo}: step {step[:2]} has 1 to {todos.todos(step)[-1]}")
        return Advice(home.task(step, todo), hints(step)[todo], [], f" --todo {todo}")
    if open_todo := home.open_todo(step):
        return Advice(open_todo, hints(step)[number_of(open_todo)], [])
    result = progress.last(options.kept, step)
    wrong = progress.failed(result, stretch=True) if result else []
    if result is None or not wrong:
        return None
    found = for_check(step, wrong[0])
    if progress.changed(result, step):
        found.beside.append(f"(that is of the last grading; server.py was changed since: `./toxw -e step{step[:2]}`)")
    return found


def for_check(step: str, check: dict[str, Any]) -> Advice:
    """The hints of the TODO that a failed check belongs to, or what is known of the failure if there is none."""
    finding = check["finding"] or {}
    about = f"{check['name']}: {check['title']}"
    question = finding.get("look_at", "")
    belongs = todos.of(step, check["name"])
    near = home.todo_at(step, line_of(finding))
    raised = "traceback: " in finding.get("cause", "")  # then that line is where it is, whatever the check is about
    if near and (near in belongs or not belongs or raised):
        belongs = [near, *(number for number in belongs if number != near)]
    if belongs:
        others = [f"or it is TODO {n}: `./toxw -e hint -- {step[:2]} --todo {n}`" for n in belongs[1:]]
        asked = [f"first of all: {question}"] if question else []
        return Advice(f"{about}\n{home.task(step, belongs[0])}", hints(step)[belongs[0]], [*asked, *others])
    stood = "; ".join(finding.get("stood", [])[:2])
    told = [hint for hint in (question, finding.get("cause"), stood) if hint]
    where = f"`git diff HEAD -- {home.shown(home.script(step))}` shows what you have changed"
    told.append(f"this rests on no TODO alone; what the skeleton brought was right, and {where}")
    return Advice(about, told, [f"the hints of a TODO: `./toxw -e hint -- {step[:2]} --todo 1`"])


def line_of(finding: dict[str, Any]) -> int:
    """The line of server.py that an error was raised in, or else where the thread stood that matters."""
    raised = re.search(r"traceback: .*\(server\.py line (\d+)", finding.get("cause", ""))
    return int(raised[1]) if raised else finding.get("line", 0)


def show(options: argparse.Namespace) -> int:
    step, number = options.step, options.number
    found = advice(step, options.todo, options)
    if found is None:
        result = progress.last(options.kept, step)
        done = result and not progress.changed(result, step)
        print("nothing is left to do" if done else f"no TODO is left; `./toxw -e step{step[:2]}` says what fails")
        print(f"any TODO's hints: `./toxw -e hint -- {step[:2]} --todo 1`")
        return 0
    if not 1 <= number <= len(found.told):
        raise CannotGrade(f"there is no hint {number} for this: 1 to {len(found.told)}")
    words = f"hint {number} of {len(found.told)}: {found.told[number - 1]}"
    print("\n".join([printable(found.about), "", wrapped(words), ""]))
    for line in found.beside:
        print(printable(line))
    if number < len(found.told):
        print(f"more: `./toxw -e hint -- {step[:2]} {number + 1}{found.option}`")
    return 0


def wrapped(words: str) -> str:
    return textwrap.fill(
        printable(words),
        min(shutil.get_terminal_size().columns, 100),
        initial_indent="  ",
        subsequent_indent="  ",
        break_on_hyphens=False,
        break_long_words=False,
    )
