"""What to do after a run, in a line or two: one short command each, for the submission that was graded."""

import shlex
from collections.abc import Callable
from pathlib import Path

from grader import OWN
from grader.record import NOT_JUDGED, Check, Result
from grader.report.text import failures, printable


def closing(results: list[Result], say: Callable[[str], None]) -> None:
    """The last lines of a run: what to do now."""
    for result in results[:1] if len(results) == 1 else [r for r in results if not r.done][:1]:
        for label, words in following(result):
            say(f"{label}: {printable(words)}")


def following(result: Result) -> list[tuple[str, str]]:
    """What to do now, in one or two lines with their labels; [] if there is nothing to say."""
    if result.error or result.interrupted:
        return []
    if words := next_thing(result):
        return [("next", words), *[("try", words) for words in [trial(result)] if words]]
    return []


def next_thing(result: Result) -> str:
    """What to do now, in a line; "" if there is nothing."""
    failed = failures(result)
    if result.part and result.done:
        return f"that passes; now {to_write(result) if result.todo else f'the whole step: {command(result)}'}"
    if result.done:
        return finished(result, failed)
    if failed and result.part.startswith("TODO "):
        number = result.part.removeprefix("TODO ")
        again = command(result, f"--todo {number}")
        hint = f"`./toxw -e hint -- {result.step[:2]} --todo {number}`"
        return f"mend the first ({hint} has a hint); {again} tries it again"
    if result.todo:
        return to_write(result)
    if failed:
        return f"mend the first; {command(result, f'-k {alone(result, failed[0])}')} grades it alone"
    if any(check.outcome == NOT_JUDGED and check.reason.startswith("out of time") for check in result.checks):
        return "grade it again with more time (--budget), or where less goes on beside it"
    return ""


def to_write(result: Result) -> str:
    """The TODO that is next, with what has a hint: the command knows by itself which is next in the learner's file."""
    number = "" if is_own(result) else f" --todo {number_of(result.todo)}"
    return f"{result.todo} (`./toxw -e hint -- {result.step[:2]}{number}` has a hint)"


def number_of(todo: str) -> int:
    """Of "TODO n: ..."."""
    return int(todo.split()[1].rstrip(":"))


def finished(result: Result, failed: list[Check]) -> str:
    """What comes after a step; first the stretch checks that failed, for whom likes to."""
    if failed:
        again = command(result, f"-k {alone(result, failed[0])}")
        return f"all points are there; of the stretch checks {again} grades the first that failed"
    number = result.step[:2]
    then = "that was the last step" if number == "08" else f"step {int(number) + 1:02}"
    return f"`./toxw -e compare -- {number}` shows yours beside ours; then {then}" if is_own(result) else then


def trial(result: Result) -> str:
    """What tries the TODO that was written last, while others are open; "" if none was, or if it has been tried."""
    if not result.todo or result.part.startswith("TODO"):
        return ""
    number = number_of(result.todo)
    if number == 1:
        return f"{command(result, '--todo 1')}, once it is written"
    return f"{command(result, f'--todo {number - 1}')} tries what TODO {number - 1} does; ours does the rest"


def is_own(result: Result) -> bool:
    """Whether it is the learner's own folder that was graded."""
    return Path(result.submission).resolve() == OWN


def command(result: Result, options: str = "") -> str:
    """What grades this submission, with these options."""
    where = "" if is_own(result) else f"--submission {shlex.quote(result.submission)}"
    words = " ".join(word for word in (where, options) if word)
    return f"`./toxw -e step{result.step[:2]}{' -- ' if words else ''}{words}`"


def alone(result: Result, check: Check) -> str:
    """What selects this check only: -k takes a part of a name, and looks in the name of the suite's file too."""
    name = f"test_{check.name}" if check.name in result.step else check.name
    others = [other.name for other in result.checks if other is not check and name in f"test_{other.name}"]
    return f"'{' and not '.join([name, *others])}'" if others else name
