"""Whose submissions there are, and what the folder of each is called: names are others', and may be anything."""

import hashlib
import os
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from grader import STEPS
from grader.finding import CannotGrade
from grader.intake.layout import ARCHIVES
from grader.intake.tree import from_disk, is_junk, on_disk
from grader.report.text import in_a_line

LONGEST = 60  # characters of a folder's name, before what makes it unlike all others
#: What stands beside the students' folders, with whatever may follow the word.
OURS = ("index", "grades", "canvas", "moodle", "students", "shard", "con", "nul", "aux", "prn")


@dataclass(frozen=True)
class Student:
    """entry: the name in the folder of submissions; name: as it is shown, one line; folder: of the results."""

    entry: str
    name: str
    folder: str


def roster(submissions: Path) -> list[Student]:
    """One student for each entry, in the order of their names' bytes. Raises CannotGrade."""
    try:
        entries = sorted(on_disk(from_disk(os.fsencode(name))) for name in os.listdir(submissions))
    except OSError as error:
        raise CannotGrade(f"{submissions} cannot be read: {error.strerror}; give the folder of submissions") from None
    names = [from_disk(entry) for entry in entries]
    names = [name for name in names if not name.startswith(".") and not is_junk(name)]
    if own := [name for name in names if name in (*STEPS, "steps")]:
        raise CannotGrade(f"{submissions} holds {own[0]}: that is one submission; give a folder of such")
    if not names:
        raise CannotGrade(f"{submissions} is empty; give the folder with one entry a student")
    return named(names)


def named(entries: list[str]) -> list[Student]:
    """What each is called. A folder's name depends on all names, and on nothing else."""
    stems = {entry: stem(entry) for entry in entries}
    often = Counter(stems.values())
    plain = {entry: safe(stems[entry]) for entry in entries}
    alike = Counter(name.casefold() for name in plain.values())
    students, taken = [], set()
    for entry in entries:
        called = stems[entry] if often[stems[entry]] == 1 else entry
        folder = plain[entry]
        if folder != called or alike[folder.casefold()] > 1 or re.split("[.-]", folder.lower())[0] in OURS:
            folder = f"{folder}-{hashlib.sha256(on_disk(entry)).hexdigest()[:16]}"
        while folder.casefold() in taken:  # one that is called as another is called by us
            folder += "-"
        taken.add(folder.casefold())
        students.append(Student(entry, shown(called), folder))
    return students


def stem(entry: str) -> str:
    """`alice.tar.gz` -> `alice`."""
    for end in sorted((*ARCHIVES, ".py"), key=len, reverse=True):
        if entry.lower().endswith(end) and len(entry) > len(end):
            return entry[: -len(end)]
    return entry


def shown(name: str) -> str:
    """In a line, without anything that acts on who reads it."""
    return in_a_line(name).replace("\t", "\\t")


def safe(name: str) -> str:
    """Letters, digits, `-`, `_` and single dots; never hidden, never an option."""
    text = "".join(c if c.isalnum() or c in "-_." else "_" for c in unicodedata.normalize("NFC", name))
    while ".." in text:
        text = text.replace("..", "._")
    text = text[:LONGEST].strip(".").lstrip("-")
    while len(text.encode()) > 200:
        text = text[:-1]
    return text or "_"
