"""What came of one submission, in short: what the book is made of. No times in it: the same grade is the same bytes."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from grader.record import FAILED, NOT_JUDGED, NOT_RUN, NOT_STARTED, PASSED
from grader.report.files import write_whole

SCHEMA = "eight-servers/entry/v1"
NAME = "entry.json"
MOST_BYTES = 64 << 20  # of a result that is read
#: One letter for each outcome: a class has many.
LETTERS = {PASSED: "p", FAILED: "f", NOT_STARTED: "t", NOT_RUN: "n", NOT_JUDGED: "q"}


@dataclass
class StepEntry:
    """score: None if it was not judged. checks: name -> letter of the outcome, in the order of the rubric.

    points: name -> what was lost of its points.
    """

    step: str
    score: int | None
    checks: dict[str, str] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    snapshot: str = ""


@dataclass
class Entry:
    """Written last: once it is there, the result and the page are too. note: in one line."""

    student: str
    folder: str
    key: str
    walls: str
    note: str
    steps: list[StepEntry]

    @property
    def total(self) -> int | None:
        scores = [step.score for step in self.steps]
        return None if None in scores else sum(score or 0 for score in scores)

    def write(self, out: Path) -> None:
        data = {"schema": SCHEMA, **asdict(self)}
        write_whole(out / self.folder / NAME, json.dumps(data, ensure_ascii=False, indent=1) + "\n")


def read(path: Path) -> Entry | None:
    """None if there is none that is whole."""
    data = read_json(path)
    try:
        if not isinstance(data, dict) or data.pop("schema") != SCHEMA:
            return None
        steps = [StepEntry(**step) for step in data.pop("steps")]
        return Entry(steps=steps, **data)
    except (KeyError, TypeError):
        return None


def read_json(path: Path) -> Any:
    """None if it cannot be read: not there, too large, or no JSON."""
    try:
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
        return json.loads(data) if len(data) <= MOST_BYTES else None
    except (OSError, ValueError, RecursionError):
        return None
