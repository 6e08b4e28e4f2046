"""What a part of a batch says of itself once it is whole: the class, what was asked for, what it has graded."""

import json
from dataclasses import dataclass
from pathlib import Path

from grader.batch import entry
from grader.batch.roster import Student
from grader.batch.version import Settings, grader_version
from grader.finding import CannotGrade
from grader.report.files import write_whole

SCHEMA = "eight-servers/shard/v1"


@dataclass
class Shard:
    """folder: where it lies. same: what all parts have to have alike. keys: folder of a student -> key of the entry."""

    folder: Path
    index: int
    count: int
    same: dict[str, object]
    students: list[Student]
    keys: dict[str, str]


def place(out: Path, shard: tuple[int, int]) -> Path:
    return out / f"shard-{shard[0]}-of-{shard[1]}.json"


def remove(out: Path, shard: tuple[int, int]) -> None:
    place(out, shard).unlink(missing_ok=True)


def write(out: Path, shard: tuple[int, int], settings: Settings, students: list[Student], keys: dict[str, str]) -> None:
    data = {
        "schema": SCHEMA,
        "index": shard[0],
        "count": shard[1],
        "same": {"grader": grader_version(), **settings.told},
        "students": [[one.entry, one.name, one.folder] for one in students],
        "keys": keys,
    }
    write_whole(place(out, shard), json.dumps(data, indent=0) + "\n")


def read(path: Path) -> Shard:
    """Raises CannotGrade."""
    data = entry.read_json(path)
    try:
        if data["schema"] != SCHEMA:
            raise ValueError
        students = [Student(*words) for words in data["students"]]
        return Shard(path.parent, data["index"], data["count"], data["same"], students, data["keys"])
    except (KeyError, TypeError, ValueError):
        raise CannotGrade(f"{path} is no part of a batch; grade that part again") from None
