"""How far a run is, on standard error: a line that moves where it is a terminal, else a line a round."""

import os
import sys
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn


def span(seconds: float) -> str:
    """Seconds in words: `45 s`, `1 min 40 s`."""
    whole = max(0, round(seconds))
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{whole} s"


class Watch:
    """`runs` in all, each of about so many `seconds` until we know better."""

    def __init__(self, runs: int, seconds: float):
        self.runs, self.guess = runs, seconds
        self.done = 0
        self.began = time.monotonic()
        self.round = 0
        self.bar: Progress | None = None
        if sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
            columns = TextColumn("{task.description}"), BarColumn(20), TextColumn("{task.fields[left]} left")
            self.bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self.task = self.bar.add_task("", total=runs, left=span(runs * seconds))
            self.bar.start()

    @property
    def left(self) -> float:
        """Seconds: by what those before took, once there are a few."""
        each = (time.monotonic() - self.began) / self.done if self.done >= 5 else self.guess
        return each * (self.runs - self.done)

    def begins(self, number: int, what: str) -> None:
        if self.bar:
            self.bar.update(self.task, description=f"round {number}, {what}", completed=self.done, left=span(self.left))
        elif number != self.round:
            print(f"round {number}: {span(self.left)} left", file=sys.stderr, flush=True)
        self.round = number

    def ended(self, runs: int = 1) -> None:
        """So many of the planned runs are done, or will never be."""
        self.done += runs

    def close(self) -> None:
        if self.bar:
            self.bar.stop()
