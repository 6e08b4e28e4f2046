"""How far a batch is: a bar with rate and time left on a terminal, a line for each submission elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from grader.batch.roster import Student
from grader.batch.task import Done
from grader.report import board


class Show(Protocol):
    def __call__(self, student: Student, done: Done) -> None: ...


class Rate(ProgressColumn):
    """Submissions a minute."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{60 * speed:.1f}/min" if speed else "", style="progress.data.speed")


def line(student: Student, done: Done, steps: tuple[str, ...]) -> str:
    scores = [f"{step[:2]} {'?' if score is None else score}" for step, score in zip(steps, done.scores, strict=True)]
    kept = "" if done.fresh else " (kept)"
    return f"{student.name}: {', '.join(scores)}{kept}{'' if done.judged else ' not judged'}"


@contextmanager
def shown(total: int, steps: tuple[str, ...]) -> Iterator[Show]:
    """What is called for each submission that is done."""
    if not board.wanted():
        yield Lines(total, steps)
        return
    columns = (BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn(), TextColumn("{task.description}"))
    console = Console(highlight=False, emoji=False, markup=False)
    with Progress(*columns, console=console, speed_estimate_period=600) as progress:
        bar = progress.add_task("", total=total)

        def show(student: Student, done: Done) -> None:
            words = line(student, done, steps)
            if not done.judged:
                progress.console.print(Text(words, style="magenta"))
            progress.update(bar, advance=1, description=Text(words[:60], style="dim").markup)

        yield show


class Lines:
    def __init__(self, total: int, steps: tuple[str, ...]):
        self.total, self.steps, self.count = total, steps, 0

    def __call__(self, student: Student, done: Done) -> None:
        self.count += 1
        try:
            print(f"[{self.count}/{self.total}] {line(student, done, self.steps)}", flush=True)
        except BrokenPipeError:  # who reads has left, as `head` does: the batch goes on
            sys.stdout = open("/dev/null", "w", encoding="utf-8")  # noqa: SIM115
