"""The grade book: one row a student, as CSV for people, and as Canvas and Moodle import it."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from grader.batch.entry import Entry
from grader.record import FULL
from grader.report.files import write_whole

#: A cell that begins so is a formula to a spreadsheet: https://owasp.org/www-community/attacks/CSV_Injection
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
FORMATS = ("canvas", "moodle")


def defused(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text


def table(rows: Iterable[Iterable[str | int | None]]) -> str:
    """Texts in quotes and defused, numbers as they are, nothing for None."""
    file = io.StringIO()
    writer = csv.writer(file, quoting=csv.QUOTE_MINIMAL, lineterminator="\n")
    for row in rows:
        writer.writerow([defused(cell) if isinstance(cell, str) else cell for cell in row])
    return file.getvalue()


def grades(entries: list[Entry], steps: tuple[str, ...]) -> str:
    """No number where something was not judged: that is no grade."""
    head = ["student", *steps, "total", "walls", "note"]
    rows: list[list[str | int | None]] = [
        [e.student, *(step.score for step in e.steps), e.total, e.walls, e.note] for e in entries
    ]
    return table([head, *rows])


def canvas(entries: list[Entry], steps: tuple[str, ...]) -> str:
    """Students by their SIS login; the second row says what there is to earn. No row for who was not judged: an empty
    cell might wipe a grade. https://community.canvaslms.com, "How do I import grades in the Gradebook"."""
    head = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *(f"Eight Servers {step}" for step in steps)]
    possible: list[str | int | None] = ["    Points Possible", "", "", "", "", *(FULL for _ in steps)]
    rows: list[list[str | int | None]] = [
        [e.student, "", "", e.student, "", *(step.score for step in e.steps)] for e in judged(entries)
    ]
    return table([head, possible, *rows])


def moodle(entries: list[Entry], steps: tuple[str, ...]) -> str:
    """Students by user name or e-mail address, which the importer is told to map; no feedback, no row without grades.
    https://docs.moodle.org, "Grade import"."""
    rows = [
        [e.student, e.student if "@" in e.student else "", *(step.score for step in e.steps), e.total]
        for e in judged(entries)
    ]
    return table([["username", "email", *steps, "total"], *rows])


def judged(entries: list[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.total is not None]


def write(out: Path, entries: list[Entry], steps: tuple[str, ...], formats: Iterable[str]) -> None:
    write_whole(out / "grades.csv", grades(entries, steps))
    for name in formats:
        write_whole(out / f"{name}.csv", {"canvas": canvas, "moodle": moodle}[name](entries, steps))
