"""The class page: how the points lie, what to teach again, and every check against every student. It reads entries.

What students wrote comes here as text only, through the same two gates as on the page of one (report/page.py).
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from statistics import median
from urllib.parse import quote

import jinja2
from markupsafe import Markup, escape

from grader.batch import entry as entries
from grader.batch.entry import LETTERS, Entry, StepEntry
from grader.batch.task import PAGE, RESULT
from grader.record import FULL
from grader.report.files import write_whole
from grader.report.page import WORDS, clean, code

A_PAGE = 250  # students on one page
TO_TEACH = 10  # lines
BINS = 10
SIGNS = {LETTERS[outcome]: words.partition(" ") for outcome, words in WORDS.items()}


@dataclass
class Line:
    """A line of the rubric and how the class does: how many of those who were judged lost it, and the points of it."""

    step: str
    name: str
    title: str
    judged: int = 0
    failed: int = 0
    lost: int = 0

    @property
    def share(self) -> int:
        """Per cent."""
        return round(100 * self.failed / self.judged) if self.judged else 0


@dataclass
class StepTable:
    """A step: its lines, and what its scores are like."""

    step: str
    lines: list[Line] = field(default_factory=list)
    scores: list[int] = field(default_factory=list)

    @property
    def median(self) -> str:
        return f"{median(self.scores):g}" if self.scores else "-"

    @property
    def whole(self) -> int:
        return self.scores.count(FULL)


def tables(out: Path, class_: list[Entry], steps: tuple[str, ...]) -> list[StepTable]:
    found = []
    for number, step in enumerate(steps):
        of_step = [one.steps[number] for one in class_]
        told = next((one for one in class_ if one.steps[number].checks), None)
        table = StepTable(step, scores=[one.score for one in of_step if one.score is not None])
        if told:
            titles = titles_of(out / told.folder / RESULT, step)
            table.lines = [Line(step, name, titles.get(name, name)) for name in told.steps[number].checks]
        count(table, of_step)
        found.append(table)
    return found


def count(table: StepTable, of_step: list[StepEntry]) -> None:
    for line in table.lines:
        letters = Counter(one.checks.get(line.name, "") for one in of_step)
        line.failed = letters["f"] + letters["t"]
        line.judged = line.failed + letters["p"] + letters["n"]
        line.lost = sum(one.lost.get(line.name, 0) for one in of_step)


def titles_of(path: Path, step: str) -> dict[str, str]:
    """What each check says, from a result that has them; the same in all."""
    data = entries.read_json(path)
    try:
        checks = next(one["checks"] for one in data["steps"] if one["step"] == step)
        return {str(check["name"]): str(check["title"]) for check in checks}
    except (KeyError, TypeError, StopIteration):
        return {}


def histogram(class_: list[Entry], full: int) -> list[tuple[str, int]]:
    """Ten parts of what there is to earn, and a last one for all of it: words, how many."""
    totals = [one.total for one in class_ if one.total is not None]
    bins = Counter(BINS if total == full else total * BINS // full for total in totals)
    edges = [f"{full * n // BINS} to {full * (n + 1) // BINS - 1}" for n in range(BINS)]
    return [(words, bins[n]) for n, words in enumerate([*edges, f"all {full}"])]


def to_teach(found: list[StepTable]) -> list[Line]:
    """The lines that most of the class lost, the dearest first among equals."""
    lost = [line for table in found for line in table.lines if line.failed]
    return sorted(lost, key=lambda line: (-line.share, -line.lost, line.step, line.name))[:TO_TEACH]


def rows(class_: list[Entry], table: StepTable) -> Iterator[Markup]:
    """A row a student, each cell a link to what was found there. Made by hand: a large class has millions of cells."""
    names = [line.name for line in table.lines]
    anchors = {name: escape(f"{table.step}-{name}") for name in names}
    for one in class_:
        step = next(step for step in one.steps if step.step == table.step)
        href = f"{quote(one.folder)}/{PAGE}#"
        score = "?" if step.score is None else str(step.score)
        head = Markup('<tr><th scope="row"><a href="{}{}">{}</a></th><td class="number">{}</td>')
        cells = []
        for name in names:
            letter = step.checks.get(name, "")
            sign, _, words = SIGNS.get(letter, ("·", "", "not there"))
            anchor = anchors[name] if letter else table.step
            cells.append(f'<td class="{letter or "none"}"><a href="{href}{anchor}" title="{words}">{sign}</a></td>')
        yield head.format(href, table.step, clean(one.student), score) + Markup("".join(cells) + "</tr>\n")


@cache
def environment() -> jinja2.Environment:
    folders = [Path(__file__).parent / "templates", Path(__file__).parents[1] / "report" / "templates"]
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders),
        autoescape=True,
        finalize=clean,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["code"] = code
    made.globals |= {"FULL": FULL, "rows": rows, "SIGNS": SIGNS}
    return made


def pages(out: Path, class_: list[Entry], steps: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Names of files and what they hold: `index.html` with the first students, others for the rest of a large class."""
    found = tables(out, class_, steps)
    full = FULL * len(steps)
    parts = [class_[at : at + A_PAGE] for at in range(0, len(class_), A_PAGE)] or [[]]
    names = ["index.html", *(f"students-{number}.html" for number in range(2, len(parts) + 1))]
    totals = [one.total for one in class_ if one.total is not None]
    for number, (name, part) in enumerate(zip(names, parts, strict=True)):
        yield (
            name,
            environment()
            .get_template("class.html")
            .render(
                first=number == 0,
                part=part,
                begin=number * A_PAGE,
                names=names,
                name=name,
                count=len(class_),
                unjudged=len(class_) - len(totals),
                noted=[one for one in part if one.note],
                median=f"{median(totals):g}" if totals else "-",
                full=full,
                tables=found,
                histogram=histogram(class_, full),
                teach=to_teach(found),
                page=PAGE,
                quote=quote,
            ),
        )


def write(out: Path, class_: list[Entry], steps: tuple[str, ...]) -> None:
    """Write them, the first last; those that a larger class has left go."""
    made = pages(out, class_, steps)
    index, first = next(made)
    names = {index}
    for name, text in made:
        write_whole(out / name, text)
        names.add(name)
    for old in out.glob("students-*.html"):
        if old.name not in names and old.is_file():
            old.unlink()
    write_whole(out / index, first)
