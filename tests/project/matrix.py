"""Run every server of the corpus through its whole step, and write who is caught by which check.

    python tests/project/matrix.py [--step NN] [--jobs N]    writes proofs/matrix.md and proofs/times.md
    python tests/project/matrix.py --meant [--step NN]       quick: the wrong servers against the checks that
                                                             are meant to catch them, and nothing written

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
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
sys.path[:0] = [str(HERE), str(REPOSITORY)]

import corpus  # noqa: E402

from grader import STEPS  # noqa: E402


@dataclass
class Row:
    """What came of one server."""

    name: str
    kind: str
    step: str
    note: str
    meant: list[str]
    score: int
    lost: list[str]
    seconds: float
    outcomes: dict[str, str]

    @property
    def slug(self) -> str:
        return self.name.rpartition("/")[2]


def run(step: str, submission: Path, folder: Path, *more: str) -> tuple[dict, float]:
    """Grade one submission in a process of its own: its result and the wall-clock seconds it took."""
    results = folder / "results.json"
    command = [
        sys.executable,
        "-m",
        "grader",
        step,
        "--submission",
        str(submission),
        "--results",
        str(results),
        *more,
    ]
    began = time.monotonic()
    subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return json.loads(results.read_text("utf-8")), time.monotonic() - began


def grade(entry: corpus.Entry, meant_only: bool = False) -> Row:
    select = ["-k", " or ".join(["test_answers", *(f"test_{check}" for check in entry.caught_by)])]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        result, seconds = run(entry.step, entry.submit(folder / "submission"), folder, *select * meant_only)
    outcomes = {test["extra_data"]["check"]: test["extra_data"]["outcome"] for test in result["tests"]}
    lost = [check for check, outcome in outcomes.items() if outcome != "passed"]
    note = entry.note("Breaks") or entry.note("Unusual")
    return Row(
        entry.name,
        entry.kind,
        entry.step,
        note,
        entry.caught_by,
        int(result["score"]),
        lost,
        seconds,
        outcomes,
    )


def reference_times(steps: Iterable[str]) -> dict[str, float]:
    times = {}
    for step in steps:
        with tempfile.TemporaryDirectory() as name:
            times[step] = run(step, REPOSITORY / "solutions", Path(name))[1]
    return times


def stretch_checks(step: str) -> set[str]:
    import rubric

    return {line.check for line in rubric.rubric()[step] if line.points == "stretch"}


def shortcomings(rows: list[Row], stretch: dict[str, set[str]]) -> dict[str, list[str]]:
    """The three lists that must be empty."""
    idle, missed, harmed = [], [], []
    for step in sorted({row.step for row in rows}):
        ours = [row for row in rows if row.step == step]
        checks = {check for row in ours for check in row.outcomes}
        caught = {check for row in ours if row.kind == "wrong" for check in row.lost if row.outcomes[check] == "failed"}
        idle += [f"{step} {check}" for check in sorted(checks - caught)]
        missed += [row.name for row in ours if row.kind == "wrong" and not is_caught(row, stretch[step])]
        harmed += [f"{row.name} ({row.score})" for row in ours if row.kind == "right" and row.score != 100]
    return {
        "checks without a wrong server": idle,
        "wrong servers not caught": missed,
        "right servers that lost a point": harmed,
    }


def is_caught(row: Row, stretch: set[str]) -> bool:
    """By the check it is meant for; one that breaks no more than a stretch check keeps its points."""
    only_stretch = bool(row.meant) and set(row.meant) <= stretch
    return bool(set(row.meant) & set(row.lost)) and (row.score < 100 or only_stretch)


def page(rows: list[Row], lacks: dict[str, list[str]], times: dict[str, float]) -> str:
    wrong = [row for row in rows if row.kind == "wrong"]
    lines = [
        "# The matrix: wrong servers against checks",
        "",
        f"Made by `tox -e matrix` on {date.today()}: {len(wrong)} wrong servers and {len(rows) - len(wrong)} "
        f"right ones, each through its whole step, on {os.cpu_count()} cores.",
        "",
        *(f"- {what}: **{len(names)}**{': ' if names else ''}{', '.join(names)}" for what, names in lacks.items()),
        "",
        "A row is a wrong server, a column a check. ● it lost this check, ◉ the check that is meant to catch it; "
        "· it was not run, because the server did not get past the first check.",
        "",
    ]
    for step in sorted(times):
        ours = [row for row in rows if row.step == step]
        checks = list(dict.fromkeys(check for row in ours for check in row.outcomes))
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
    outcome = row.outcomes.get(check, "passed")
    if outcome == "passed":
        return ""
    if outcome == "not run":
        return "·"
    return "◉" if check in row.meant else "●"


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def times_page(rows: list[Row], times: dict[str, float]) -> str:
    lines = [
        "# How long a verdict takes",
        "",
        f"Wall-clock time of `python -m grader NN` as a ratio to the reference's in the same run ({date.today()}).",
        "",
        "| step | reference, s | wrong: median | wrong: slowest | right: slowest |",
        "|---|--:|--:|---|---|",
    ]
    for step, reference in times.items():
        by_kind = {}
        for kind in ("wrong", "right"):
            ours = sorted((row for row in rows if row.step == step and row.kind == kind), key=lambda row: row.seconds)
            by_kind[kind] = ours
        median = by_kind["wrong"][len(by_kind["wrong"]) // 2].seconds / reference
        worst = [f"{ours[-1].seconds / reference:.1f} ({ours[-1].slug})" for ours in by_kind.values()]
        lines.append(f"| {step} | {reference:.1f} | {median:.1f} | {worst[0]} | {worst[1]} |")
    return "\n".join(lines) + "\n"


def meant_only(steps: list[str], jobs: int) -> int:
    """Every wrong server against the checks that are meant to catch it."""
    entries = [entry for step in steps for entry in corpus.entries("wrong", step)]
    missed = []
    with ThreadPoolExecutor(jobs) as pool:
        for row in pool.map(lambda entry: grade(entry, meant_only=True), entries):
            if (
                "failed" not in {row.outcomes.get(check) for check in row.meant}
                and row.outcomes.get("answers") != "failed"
            ):
                missed.append(row.name)
                print(f"not caught: {row.name}, by {', '.join(row.meant)}", flush=True)
    print(f"{len(entries)} wrong servers, {len(missed)} not caught by the check meant for them")
    return 1 if missed else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--step", help="only this step, 01 to 08: prints the page instead of writing it")
    parser.add_argument("--jobs", type=int, default=1, help="how many servers at a time")
    parser.add_argument("--meant", action="store_true", help="only the checks that are meant to catch each")
    options = parser.parse_args()
    steps = [step for step in STEPS if options.step in (None, step[:2])]
    if options.meant:
        return meant_only(steps, options.jobs)
    entries = [entry for entry in corpus.entries() if entry.step in steps]
    times = reference_times(steps)
    rows: list[Row] = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for row in pool.map(grade, entries):
            rows.append(row)
            print(f"{row.name:<56} {row.score:>3} {row.seconds:6.1f} s  {', '.join(row.lost[:5])}", flush=True)
    lacks = shortcomings(rows, {step: stretch_checks(step) for step in steps})
    if options.step is None:
        (REPOSITORY / "proofs" / "matrix.md").write_text(page(rows, lacks, times), "utf-8")
        (REPOSITORY / "proofs" / "times.md").write_text(times_page(rows, times), "utf-8")
    else:
        print(times_page(rows, times))
    for what, names in lacks.items():
        print(f"{what}: {len(names)}{': ' if names else ''}{', '.join(names)}")
    return 1 if any(lacks.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
