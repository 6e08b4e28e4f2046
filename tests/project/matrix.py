"""Run every server of the corpus through its whole step, and write who is caught by which check.

    python tests/project/matrix.py [--jobs N] [NAME ...]    all, or only these: `wrong/05`, `right/02_multiprocess/pool`
    python tests/project/matrix.py --meant [NAME ...]       quick: the wrong servers against the checks that are
                                                            meant to catch them, and nothing written
    python tests/project/matrix.py --walls bwrap [NAME ...] the same behind these walls, and right servers whole
    python tests/project/matrix.py --page                   only make the pages anew

A row for each server is kept in proofs/matrix.jsonl; proofs/matrix.md and proofs/times.md are made of the rows.
The summary at the top of the page has to say 0 three times: checks without a wrong server, wrong servers
not caught, right servers that lost a point. Exit status 1 if it does not.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
sys.path[:0] = [str(HERE), str(REPOSITORY)]

import corpus  # noqa: E402
import rubric  # noqa: E402

from grader import STEPS  # noqa: E402
from grader.report import files  # noqa: E402

PROOFS = REPOSITORY / "proofs"
ROWS = PROOFS / "matrix.jsonl"
EVERY = 12  # so many servers, and then the reference: what their times are compared with


@dataclass(frozen=True)
class Row:
    """What came of one server: in `outcomes` the checks that it did not pass.

    `seconds` is wall-clock time, `reference` the solution's in the same run.
    """

    name: str
    date: str
    score: int
    seconds: float
    reference: float
    outcomes: dict[str, str]

    @property
    def entry(self) -> corpus.Entry:
        return next(entry for entry in corpus.entries() if entry.name == self.name)

    @property
    def kind(self) -> str:
        return self.name.split("/")[0]

    @property
    def step(self) -> str:
        return self.name.split("/")[1]

    @property
    def slug(self) -> str:
        return self.name.split("/")[2]

    @cached_property
    def meant(self) -> list[str]:
        return self.entry.caught_by

    @cached_property
    def note(self) -> str:
        return self.entry.note("Breaks") or self.entry.note("A hasty grader")

    @property
    def ratio(self) -> float:
        return self.seconds / self.reference


def run(step: str, submission: Path, folder: Path, *more: str) -> tuple[dict, float]:
    """Grade one submission in a process of its own: its result and the wall-clock seconds it took."""
    results = folder / "results.json"
    command = [sys.executable, "-m", "grader", step, "--submission", submission, "--results", results, *more]
    began = time.monotonic()
    done = subprocess.run(list(map(str, command)), cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if not results.exists():
        raise RuntimeError(f"{submission}: status {done.returncode}: {done.stderr.decode('utf-8', 'replace')[-2000:]}")
    return json.loads(results.read_text("utf-8")), time.monotonic() - began


def grade(entry: corpus.Entry, meant_only: bool = False, reference: float = 1.0, more: tuple[str, ...] = ()) -> Row:
    select = ["-k", " or ".join(["test_answers", *(f"test_{check}" for check in entry.caught_by)])]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        submission = entry.submit(folder / "submission")
        result, seconds = run(entry.step, submission, folder, *select * meant_only, *more)
    outcomes = {test["extra_data"]["check"]: test["extra_data"]["outcome"] for test in result["tests"]}
    outcomes = {check: outcome for check, outcome in outcomes.items() if outcome != "passed"}
    return Row(entry.name, str(date.today()), int(result["score"]), round(seconds, 2), reference, outcomes)


def reference_time(step: str) -> float:
    with tempfile.TemporaryDirectory() as name:
        return round(run(step, REPOSITORY / "solutions", Path(name))[1], 2)


def shortcomings(rows: list[Row], lines_of: dict[str, list[rubric.Line]]) -> dict[str, list[str]]:
    """The three lists that must be empty."""
    idle, missed, harmed = [], [], []
    for step in STEPS:
        ours = [row for row in rows if row.step == step]
        checks = {line.check for line in lines_of[step]}
        stretch = {line.check for line in lines_of[step] if line.points == "stretch"}
        wrong = [row for row in ours if row.kind == "wrong"]
        checks -= {check for entry in untried(rows) if entry.step == step for check in entry.caught_by}
        caught = {check for row in wrong for check, outcome in row.outcomes.items() if outcome == "failed"}
        idle += [f"{step} {check}" for check in sorted(checks - caught)]
        missed += [row.name for row in wrong if not is_caught(row, stretch)]
        harmed += [f"{row.name} ({row.score})" for row in ours if row.kind == "right" and row.score != 100]
    return {
        "checks without a wrong server": idle,
        "wrong servers not caught": missed,
        "right servers that lost a point": harmed,
    }


def is_caught(row: Row, stretch: set[str]) -> bool:
    """By the check it is meant for; one that breaks no more than a stretch check keeps its points."""
    only_stretch = bool(row.meant) and set(row.meant) <= stretch
    return bool(set(row.meant) & row.outcomes.keys()) and (row.score < 100 or only_stretch)


def untried(rows: list[Row]) -> list[corpus.Entry]:
    """The servers of the corpus that need what was not there when the others were graded."""
    graded = {row.name for row in rows}
    return [entry for entry in corpus.entries() if entry.lacks and entry.name not in graded]


def page(rows: list[Row], lacks: dict[str, list[str]], lines_of: dict[str, list[rubric.Line]]) -> str:
    wrong = [row for row in rows if row.kind == "wrong"]
    needs = [f"{entry.name} (needs {entry.lacks})" for entry in untried(rows)]
    days = sorted({row.date for row in rows})
    lines = [
        "# The matrix: wrong servers against checks",
        "",
        f"Made by `tox -e matrix` ({' to '.join(dict.fromkeys((days[0], days[-1])))}): {len(wrong)} wrong servers and "
        f"{len(rows) - len(wrong)} right ones, each through its whole step, on {os.cpu_count()} cores.",
        "",
        *(f"- {what}: **{len(names)}**{': ' if names else ''}{', '.join(names)}" for what, names in lacks.items()),
        *([f"- not tried here: **{len(needs)}**: {', '.join(needs)}"] if needs else []),
        "",
        "A row is a wrong server, a column a check. ● it lost this check, ◉ the check that is meant to catch it; "
        "· it was not run: the server did not get past the first check, or it is a stretch check and points were lost.",
        "",
    ]
    for step in STEPS:
        ours = [row for row in rows if row.step == step]
        checks = [line.check for line in lines_of[step]]
        lines += [f"## {step}", ""]
        lines += [", ".join(f"{number} {check}" for number, check in enumerate(checks, 1)), ""]
        lines.append("| wrong server | breaks | points | " + " | ".join(map(str, range(1, len(checks) + 1))) + " |")
        lines.append("|---|---|--:|" + ":-:|" * len(checks))
        for row in ours:
            if row.kind == "wrong":
                cells = [mark(row, check) for check in checks]
                lines.append(f"| {row.slug} | {cell(row.note)} | {row.score} | " + " | ".join(cells) + " |")
        lines += ["", "| right server | why a hasty grader would fail it | points |", "|---|---|--:|"]
        lines += [f"| {row.slug} | {cell(row.note)} | {row.score} |" for row in ours if row.kind == "right"]
        lines.append("")
    return "\n".join(lines)


def mark(row: Row, check: str) -> str:
    outcome = row.outcomes.get(check)
    if outcome == "failed":
        return "◉" if check in row.meant else "●"
    return "·" if outcome else ""


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def times_page(rows: list[Row]) -> str:
    lines = [
        "# How long a verdict takes",
        "",
        "Wall-clock time of `python -m grader NN` as a ratio to the reference's, which was graded again after every "
        f"{EVERY} servers of the same run. Made with the matrix.",
        "",
        "| step | reference, s | wrong: median | wrong: slowest | right: median | right: slowest |",
        "|---|--:|--:|---|--:|---|",
    ]
    for step in STEPS:
        cells = []
        for kind in ("wrong", "right"):
            ours = sorted((row for row in rows if row.step == step and row.kind == kind), key=lambda row: row.ratio)
            cells += [f"{ours[len(ours) // 2].ratio:.1f}", f"{ours[-1].ratio:.1f} ({ours[-1].slug})"]
        references = sorted(row.reference for row in rows if row.step == step)
        lines.append(f"| {step} | {references[len(references) // 2]:.1f} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def meant_only(entries: list[corpus.Entry], jobs: int, walls: str = "") -> int:
    """Every wrong server against the checks that are meant to catch it; behind walls, every right one whole, too."""
    entries = [entry for entry in entries if (walls or entry.kind == "wrong") and not entry.lacks]
    more = ("--walls", walls) if walls else ()
    missed, harmed = [], []
    with ThreadPoolExecutor(jobs) as pool:
        for row in pool.map(lambda entry: grade(entry, entry.kind == "wrong", more=more), entries):
            if row.kind == "right" and row.score != 100:
                harmed.append(row.name)
                print(f"lost points: {row.name}, {row.outcomes}", flush=True)
            elif row.kind == "wrong" and "failed" not in map(row.outcomes.get, ("answers", *row.meant)):
                missed.append(row.name)
                print(f"not caught: {row.name}, by {', '.join(row.meant)}", flush=True)
    wrong = sum(entry.kind == "wrong" for entry in entries)
    print(f"{wrong} wrong servers, {len(missed)} not caught by the check meant for them")
    if walls:
        print(f"{len(entries) - wrong} right servers, {len(harmed)} lost points")
    return 1 if missed or harmed else 0


def kept() -> dict[str, Row]:
    """The rows of earlier runs, by name, of servers that are still in the corpus."""
    if not ROWS.exists():
        return {}
    rows = [Row(**json.loads(line)) for line in ROWS.read_text("utf-8").splitlines()]
    names = {entry.name for entry in corpus.entries()}
    return {row.name: row for row in rows if row.name in names}


def keep(rows: dict[str, Row]) -> None:
    text = "".join(json.dumps(asdict(rows[name])) + "\n" for name in sorted(rows))
    files.write_whole(ROWS, text)


def grade_all(entries: list[corpus.Entry], jobs: int) -> None:
    """Grade these, `jobs` at a time; a run that is ended keeps what it has."""
    with ThreadPoolExecutor(jobs) as pool:
        references: dict[str, Future[float]] = {}
        graded: dict[Future[Row], Future[float]] = {}
        for at, entry in enumerate(entries):
            if at % EVERY == 0:
                references.clear()
            if entry.step not in references:
                references[entry.step] = pool.submit(reference_time, entry.step)
            graded[pool.submit(grade, entry)] = references[entry.step]
        for future in as_completed(graded):
            row = replace(future.result(), reference=graded[future].result())
            keep(kept() | {row.name: row})
            lost = ", ".join(list(row.outcomes)[:5])
            print(f"{row.name:<56} {row.score:>3} {row.ratio:5.1f} x  {lost}", flush=True)


def write_pages() -> int:
    rows, lines = list(kept().values()), rubric.rubric()
    lacks = shortcomings(rows, lines)
    missing = [entry.name for entry in corpus.entries() if entry.name not in kept() and not entry.lacks]
    if missing:
        print(f"{len(missing)} servers have no row yet: no page is written")
        return 1
    files.write_whole(PROOFS / "matrix.md", page(rows, lacks, lines))
    files.write_whole(PROOFS / "times.md", times_page(rows))
    for what, names in lacks.items():
        print(f"{what}: {len(names)}{': ' if names else ''}{', '.join(names)}")
    return 1 if any(lacks.values()) else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="only the servers whose name begins so: wrong/05, say")
    parser.add_argument("--jobs", type=int, default=1, help="how many servers at a time")
    parser.add_argument("--meant", action="store_true", help="only the checks that are meant to catch each")
    parser.add_argument("--walls", default="", help="what --meant does, behind these walls; right servers too")
    parser.add_argument("--page", action="store_true", help="only make the pages anew")
    options = parser.parse_args()
    entries = [e for e in corpus.entries() if not options.names or e.name.startswith(tuple(options.names))]
    if not entries:
        parser.error(f"no server of the corpus has a name that begins with {' or '.join(options.names)}")
    for entry in entries:
        if entry.lacks:
            print(f"not tried: {entry.name} needs {entry.lacks}")
    if options.meant or options.walls:
        return meant_only(entries, options.jobs, options.walls)
    if not options.page:
        grade_all([entry for entry in entries if not entry.lacks], options.jobs)
    return write_pages()


if __name__ == "__main__":
    sys.exit(main())
