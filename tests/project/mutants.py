"""Mutants of the solutions, each graded as its step: the grader must catch them all, or somebody says why not.

    python tests/project/mutants.py [--jobs N] [NAME ...]   all, or only these: `05`, `05_nonblocking`, `05/send`
    python tests/project/mutants.py --every 3 05            a sample: each third
    python tests/project/mutants.py --once                  what steps have in common in the first of them only
    python tests/project/mutants.py --list 05               print the mutants and what is known of each
    python tests/project/mutants.py --survivors 05          grade those anew that have survived
    python tests/project/mutants.py --page                  only make the page anew

`mutate.py` makes them. A grader in a process of its own ends at the first line that is lost (`--stop`); the stretch
checks are left out, for no point rests on them. Each result is a line in proofs/mutants.jsonl at once, so that a run
that was ended goes on where it stopped; it holds for the solution with that hash. proofs/mutants.md is made of them.

A mutant that keeps 100 points must stand in tests/project/mutants.toml, with a reason: `equivalent: ...` (it does the
same) or `allowed: ...` (the contract leaves it open). One that does not fails the run and is printed, with an entry
to be completed. An entry whose mutant is gone, or is caught now, is said too.

Why our own operators: mutmut 3 mutates functions in place behind a switch, in a module that its tests import; ours is
a script that others run, whose bytes they are shown. cosmic-ray could run any command, but brings a database, git and
an HTTP client along, and has no operator for most of what makes a server wrong: a statement or an argument that is
missing, one exception of several, a piece of a header line, a flag, a pattern.
"""

import argparse
import difflib
import hashlib
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
sys.path[:0] = [str(HERE), str(REPOSITORY)]

import mutate  # noqa: E402

from grader import STEPS  # noqa: E402
from grader.report import files  # noqa: E402

PROOFS = REPOSITORY / "proofs"
ROWS = PROOFS / "mutants.jsonl"
REASONS = HERE / "mutants.toml"
KINDS = ("equivalent", "allowed")
LIMIT = 600  # seconds; a grader that takes longer has been kept from its end by the mutant
GUESSES = 8  # checks to begin with: those that have caught its neighbours


@dataclass(frozen=True)
class Subject:
    """A mutant of the solution of a step."""

    step: str
    solution: str  # the hash
    mutant: mutate.Mutant

    @property
    def key(self) -> tuple:
        return self.step, self.mutant.line, self.mutant.column, self.mutant.operator, self.solution

    @property
    def form(self) -> tuple:
        """What it looks like, wherever it stands: steps share functions."""
        return self.mutant.scope, self.mutant.was, self.mutant.now, self.mutant.nth

    @property
    def name(self) -> str:
        return f"{self.step}:{self.mutant.line}:{self.mutant.column} {self.mutant.operator}"

    @property
    def diff(self) -> str:
        before = solution(self.step).decode().splitlines(keepends=True)
        after = self.mutant.source.decode().splitlines(keepends=True)
        path = f"{self.step}/server.py"
        return "".join(difflib.unified_diff(before, after, path, path, n=2))


@dataclass(frozen=True)
class Entry:
    """A mutant that may survive, in these steps, and why."""

    form: tuple
    steps: tuple[str, ...]
    reason: str

    @property
    def kind(self) -> str:
        return self.reason.partition(":")[0]

    def is_of(self, subject: Subject) -> bool:
        return self.form == subject.form and subject.step[:2] in self.steps


def solution(step: str) -> bytes:
    return (REPOSITORY / "solutions" / step / "server.py").read_bytes()


@cache
def subjects(step: str) -> list[Subject]:
    text = solution(step)
    return [Subject(step, hashlib.sha256(text).hexdigest()[:16], mutant) for mutant in mutate.mutants(text)]


def entries() -> list[Entry]:
    """The committed list. `now` may be several lines of which each is a mutant of `was`, for the same reason."""
    found = []
    for table in tomllib.loads(REASONS.read_text("utf-8")).get("survivor", ()):
        for now in table["now"] if isinstance(table["now"], list) else [table["now"]]:
            form = table.get("scope", ""), table["was"], now, table.get("nth", 1)
            found.append(Entry(form, tuple(table.get("steps", [step[:2] for step in STEPS])), table["reason"]))
    return found


class Results:
    """What is known: of each mutant which check has caught it, "" if none did. Kept line by line."""

    def __init__(self, known: list[Subject]):
        self.lock = threading.Lock()
        self.subjects = {subject.key: subject for subject in known}
        self.rows: dict[tuple, dict] = {}
        self.catchers: dict[tuple, Counter] = defaultdict(Counter)
        for line in ROWS.read_text("utf-8").splitlines() if ROWS.exists() else ():
            row = json.loads(line)
            self.learn((row["step"], row["line"], row["column"], row["operator"], row["solution"]), row)

    def learn(self, key: tuple, row: dict) -> None:
        subject = self.subjects.get(key)
        if not subject:  # of a solution that has changed since
            return
        self.rows[key] = row
        for about in (subject.form[:2], subject.form[:1]):
            self.catchers[about][row["caught"]] += 1

    def caught(self, subject: Subject) -> str | None:
        row = self.rows.get(subject.key)
        return row["caught"] if row else None

    def guess(self, subject: Subject) -> list[str]:
        """The checks that have most often caught mutants of the same line, and of the same function."""
        with self.lock:
            names = [
                name
                for about in (subject.form[:2], subject.form[:1])
                for name, _ in self.catchers[about].most_common(GUESSES)
                if name not in ("", "time")
            ]
        return list(dict.fromkeys(names))[:GUESSES]

    def add(self, subject: Subject, caught: str, seconds: float) -> None:
        names = ("step", "line", "column", "operator", "solution")
        row = dict(zip(names, subject.key, strict=True)) | {"caught": caught, "seconds": round(seconds, 1)}
        with self.lock:
            self.learn(subject.key, row)
            with ROWS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")

    def keep(self) -> None:
        """Write the rows in order, and only those that hold."""
        order = sorted(self.rows, key=lambda key: (key[0], key[1:3], key[3]))
        files.write_whole(ROWS, "".join(json.dumps(self.rows[key]) + "\n" for key in order))


def grade(subject: Subject, first: list[str]) -> str | None:
    """Which check has caught it, `time` if the grader did not come to its end, "" if none did; None if unclear."""
    with tempfile.TemporaryDirectory() as name:
        target = Path(name) / "submission" / subject.step
        target.mkdir(parents=True)
        (target / "server.py").write_bytes(subject.mutant.source)
        results = Path(name) / "results.json"
        command = [sys.executable, "-m", "grader", subject.step, "--submission", str(target.parent), "--stop"]
        command += ["-k", "not stretch", "--first", ",".join(first), "--results", str(results)]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        grader = subprocess.Popen(command, cwd=REPOSITORY, **quiet)
        try:
            status = grader.wait(LIMIT)
        except subprocess.TimeoutExpired:
            return "time"
        finally:
            end(grader)
        tests = json.loads(results.read_text("utf-8"))["tests"] if results.exists() else []
    lost = [test["extra_data"]["check"] for test in tests if test.get("extra_data", {}).get("outcome") == "failed"]
    return lost[0] if status == 1 and lost else "" if status == 0 else None


def end(grader: subprocess.Popen) -> None:
    """It ends its servers before itself, if it is let."""
    if grader.poll() is None:
        grader.terminate()
        try:
            grader.wait(60)
        except subprocess.TimeoutExpired:
            grader.kill()
            grader.wait()


def grade_all(todo: list[Subject], results: Results, jobs: int) -> list[Subject]:
    """Grade these; return those of which nothing can be said."""
    unclear = []

    def one(subject: Subject) -> None:
        began = time.monotonic()
        caught = grade(subject, results.guess(subject))
        seconds = time.monotonic() - began
        if caught is None:
            unclear.append(subject)
        else:
            results.add(subject, caught, seconds)
        word = "UNCLEAR" if caught is None else caught or "SURVIVED"
        print(f"{subject.name:<52} {seconds:5.1f} s  {word:<16} {subject.mutant.now}", flush=True)

    with ThreadPoolExecutor(jobs) as pool:
        runs = [pool.submit(one, subject) for subject in todo]
        try:
            for run in runs:
                run.result()
        except BaseException:  # Ctrl-C does not wait for the rest
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return unclear


@dataclass(frozen=True)
class Tally:
    """The mutants of a step, sorted."""

    step: str
    subjects: list[Subject]
    results: Results
    entries: list[Entry]

    @cached_property
    def graded(self) -> list[Subject]:
        return [subject for subject in self.subjects if self.results.caught(subject) is not None]

    @cached_property
    def survivors(self) -> list[tuple[Subject, Entry | None]]:
        left = [subject for subject in self.graded if self.results.caught(subject) == ""]
        return [(subject, next((e for e in self.entries if e.is_of(subject)), None)) for subject in left]

    @property
    def new(self) -> list[Subject]:
        return [subject for subject, entry in self.survivors if entry is None]

    def count(self, kind: str) -> int:
        return sum(1 for _, entry in self.survivors if entry and entry.kind == kind)


def stale(tallies: list[Tally], listed: list[Entry]) -> list[str]:
    """Entries whose mutant is gone, or caught wherever it stands."""
    said = []
    for entry in listed:
        places = [(tally, subject) for tally in tallies for subject in tally.subjects if entry.is_of(subject)]
        caught = {tally.results.caught(subject) for tally, subject in places}
        if not places:
            said.append(f"gone: {entry.form[0]}: {entry.form[2]}")
        elif "" not in caught and None not in caught:
            said.append(f"caught now, by {', '.join(sorted(caught))}: {entry.form[0]}: {entry.form[2]}")
    return said


def page(tallies: list[Tally], old: list[str]) -> str:
    lines = [
        "# Mutants of the solutions",
        "",
        "Made by `tox -e mutants`. A mutant is a solution with one small edit, graded as its step without the stretch "
        "checks. It is caught if it loses a point. A survivor stands in `tests/project/mutants.toml`, and why: it "
        "does the same (equivalent), or the contract leaves it open (allowed); or it is new, and a hole in the grader.",
        "",
        "| step | mutants | graded | caught | equivalent | allowed | new |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    sums = [0] * 6
    for tally in tallies:
        numbers = [len(tally.subjects), len(tally.graded), len(tally.graded) - len(tally.survivors)]
        numbers += [*(tally.count(kind) for kind in KINDS), len(tally.new)]
        sums = [before + more for before, more in zip(sums, numbers, strict=True)]
        lines.append(f"| {tally.step} | {' | '.join(map(str, numbers))} |")
    lines += [f"| all | {' | '.join(f'**{number}**' for number in sums)} |", ""]
    caught = Counter(tally.results.caught(subject) or "" for tally in tallies for subject in tally.graded)
    del caught[""]
    lines += ["Which check was the first to catch, and how many: "]
    lines += [", ".join(f"{name} {number}" for name, number in caught.most_common()) + ".", ""]
    lines += [f"Entries of the list that are no longer true: {len(old)}.", "", *(f"- `{words}`" for words in old)]
    lines += ["", "## Survivors", "", "| where | was | is | steps | reason |", "|---|---|---|---|---|"]
    rows: dict[tuple, list[str]] = defaultdict(list)
    for tally in tallies:
        for subject, entry in tally.survivors:
            rows[subject.form, entry.reason if entry else "**new**"].append(tally.step[:2])
    for ((scope, was, now, _), reason), steps in sorted(rows.items()):
        cells = [scope or "(module)", code(was), code(now), " ".join(steps), reason.replace("|", "\\|")]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def code(text: str) -> str:
    return "`` " + text.replace("\n", " ").replace("|", "\\|") + " ``"


def proposal(subject: Subject) -> str:
    """An entry for the list, to be completed."""
    scope, was, now, nth = subject.form
    words = {"scope": scope, "was": was, "now": now} | ({"nth": nth} if nth > 1 else {})
    return "\n".join(
        ["[[survivor]]", *(f"{name} = {json.dumps(value)}" for name, value in words.items()), 'reason = ""']
    )


def is_named(subject: Subject, names: list[str]) -> bool:
    pairs = [name.partition("/") for name in names]
    return not names or any(subject.step.startswith(step) and scope in subject.mutant.scope for step, _, scope in pairs)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="only these steps, or functions of them: 05, 05/send")
    parser.add_argument("--jobs", type=int, default=1, help="how many graders at a time")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="a sample: each N-th mutant")
    parser.add_argument("--once", action="store_true", help="what steps have in common in the first of them only")
    parser.add_argument("--list", action="store_true", help="print the mutants and what is known of each")
    parser.add_argument("--survivors", action="store_true", help="grade those anew that have survived")
    parser.add_argument("--page", action="store_true", help="only make the page anew")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the graders that run come to their end
    everything = {step: subjects(step) for step in STEPS}
    results = Results([subject for step in STEPS for subject in everything[step]])
    chosen = [subject for step in STEPS for subject in everything[step] if is_named(subject, options.names)]
    if not chosen:
        parser.error(f"no step or function is called {' or '.join(options.names)}")
    if options.list:
        for subject in chosen:
            known = results.caught(subject)
            word = "?" if known is None else known or "SURVIVED"
            print(f"{subject.name:<52} {word:<16} {subject.mutant.now}")
        return 0
    if options.once:
        firsts: dict[tuple, Subject] = {}
        chosen = [subject for subject in chosen if firsts.setdefault(subject.form, subject) is subject]
    wanted = "" if options.survivors else None
    todo = [subject for subject in chosen[:: options.every] if results.caught(subject) == wanted]
    unclear = [] if options.page else grade_all(todo, results, options.jobs)
    results.keep()
    return say(everything, results, chosen, unclear)


def say(everything: dict[str, list[Subject]], results: Results, chosen: list[Subject], unclear: list[Subject]) -> int:
    """Write the page, and tell of what has to be looked at."""
    listed = entries()
    tallies = [Tally(step, everything[step], results, listed) for step in STEPS]
    old = stale(tallies, listed)
    files.write_whole(PROOFS / "mutants.md", page(tallies, old))
    keys = {subject.key for subject in chosen}
    new = [subject for tally in tallies for subject in tally.new if subject.key in keys]
    for subject in new:
        print(f"\nsurvived: {subject.name}\n{subject.diff}\n{proposal(subject)}")
    for words in old:
        print(words)
    for subject in unclear:
        print(f"the grader said neither yes nor no: {subject.name}: {subject.mutant.now}")
    graded = sum(1 for subject in chosen if results.caught(subject) is not None)
    print(f"{len(chosen)} mutants, {graded} graded, {len(new)} new survivors")
    return 1 if new or unclear else 0


if __name__ == "__main__":
    sys.exit(main())
