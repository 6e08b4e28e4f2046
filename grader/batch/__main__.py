"""`python -m grader.batch SUBMISSIONS --steps 02,05 --out DIR [--jobs N]`: grade a class."""

import argparse
import fcntl
import hashlib
import os
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grader import STEPS, bad_patience, start
from grader.batch import book, engines, entry, manifest, page, show
from grader.batch.apart import available
from grader.batch.roster import Student, roster
from grader.batch.task import Done, Task, clear
from grader.batch.version import GRADER, Settings, grader_version
from grader.budget import SECONDS
from grader.finding import CannotGrade
from grader.grading import EXAMPLES, SEED, step_named
from grader.options import Parser, positive, program, seconds
from grader.report.text import in_a_line
from grader.walls import choice


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = Parser(prog=program("grader.batch"), description="Grade one submission a student.", allow_abbrev=False)
    parser.add_argument("submissions", type=Path, help="a folder, a .zip or a .tar for each student")
    parser.add_argument("--steps", default="all", metavar="02,05", help="which steps; all if not given")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the book and the results go")
    parser.add_argument("--jobs", type=positive, default=1, metavar="N", help="how many at once; 1 if not given")
    parser.add_argument("--regrade", action="store_true", help="keep nothing of an earlier run")
    parser.add_argument("--csv", action="append", default=[], choices=book.FORMATS, help="write rows for that too")
    parser.add_argument("--shard", default="", metavar="I/N", help="only part I of N; `tox -e merge` joins them")
    parser.add_argument("--scheduler", default="", metavar="ADDRESS", help="of a Dask cluster whose workers grade")
    parser.add_argument("--walls", choices=choice.NAMES, default="auto", help="around each server; auto if not given")
    parser.add_argument(
        "--budget", type=seconds, default=SECONDS, metavar="SECONDS", help="for one step of one student"
    )
    parser.add_argument("--attempts", type=positive, default=2, metavar="N", help="at one that was not judged; 2")
    parser.add_argument("--seed", type=int, default=SEED, metavar="N", help="as in grading one")
    parser.add_argument("--examples", type=positive, default=EXAMPLES, metavar="N", help="as in grading one")
    parser.add_argument("--grader", default="", help=argparse.SUPPRESS)  # another program in its place, for tests
    return parser.parse_args(argv)


def settings_of(options: argparse.Namespace) -> Settings:
    """Raises CannotGrade."""
    named = STEPS if options.steps == "all" else tuple(map(step_named, options.steps.split(",")))
    return Settings(
        tuple(step for step in STEPS if step in named),
        walls=options.walls,
        budget=options.budget,
        attempts=options.attempts,
        seed=options.seed,
        examples=options.examples,
        grader=tuple(shlex.split(options.grader)) or GRADER,
    )


def shard_of(text: str) -> tuple[int, int]:
    """`2/4` -> (2, 4); all of it if there is none. Raises CannotGrade."""
    if not text:
        return 1, 1
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count) <= 100_000):
        raise CannotGrade(f"--shard {text}: it is I/N, with I from 1 to N: --shard 1/4")
    return int(index), int(count)


@contextmanager
def alone(out: Path, shard: tuple[int, int]) -> Iterator[str]:
    """Nobody else grades this part into this folder. The value is what temporary folders' names begin with.

    What a run left that was killed is ended and removed. Raises CannotGrade.
    """
    name = "all" if shard[1] == 1 else f"{shard[0]}-of-{shard[1]}"
    place = out / ".batch"
    try:
        place.mkdir(parents=True, exist_ok=True)
        lock = open(place / f"lock-{name}", "w")  # noqa: SIM115
    except OSError as error:
        raise CannotGrade(f"--out {out} cannot be written to: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CannotGrade(f"--out {out}: another batch writes there; wait for its end, or end it") from None
        whose = hashlib.sha256(os.fsencode(out.resolve()) + name.encode()).hexdigest()[:12]
        prefix = f"eight-servers-batch-{whose}-"
        for left in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
            if left.lstat().st_uid == os.geteuid():
                clear(left, thoroughly=True)
        yield prefix


def grade(options: argparse.Namespace, settings: Settings, students: list[Student], shard: tuple[int, int]) -> int:
    mine = students[shard[0] - 1 :: shard[1]]
    done: dict[str, Done] = {}
    began = time.monotonic()
    with alone(options.out, shard) as scratch:
        manifest.remove(options.out, shard)
        if options.regrade:
            for student in mine:
                (options.out / student.folder / entry.NAME).unlink(missing_ok=True)
        here = str(options.submissions.absolute()), str(options.out.absolute())
        work = [Task(here[0], one, here[1], settings, grader_version(), scratch) for one in mine]
        engine = engines.dask(options.scheduler) if options.scheduler else engines.local(options.jobs)
        with engine as executor, show.shown(len(work), settings.steps) as tell:
            for task, what in engines.graded(executor, work):
                done[task.student.folder] = what
                tell(task.student, what)
        if shard[1] > 1:
            manifest.write(options.out, shard, settings, students, {name: what.key for name, what in done.items()})
            where = f"part {shard[0]} of {shard[1]}; join all with: tox -e merge -- DIR ... --out DIR"
        else:
            where = write_book(options.out, students, settings.steps, options.csv)
    return say_end(list(done.values()), where, time.monotonic() - began)


def write_book(out: Path, students: list[Student], steps: tuple[str, ...], formats: list[str]) -> str:
    """The book from the entries that are there; where it is. Raises CannotGrade if one is not."""
    found = [entry.read(out / student.folder / entry.NAME) for student in students]
    whole = [one for one in found if one is not None]
    if len(whole) < len(found):
        raise CannotGrade(f"{len(found) - len(whole)} entries cannot be read again: is {out} full, or changed?")
    book.write(out, whole, steps, formats)
    page.write(out, whole, steps)
    return f"book: {out / 'grades.csv'}; class page: {out / 'index.html'}"


def say_end(done: list[Done], where: str, took: float) -> int:
    """Exit status: 0 if all were judged, 1 if not."""
    fresh = sum(one.fresh for one in done)
    missing = sum(not one.judged for one in done)
    rate = f", {60 * fresh / took:.1f} a minute" if fresh else ""
    print(f"{len(done)} submissions: {fresh} graded now{rate}, {len(done) - fresh} kept, {missing} not judged")
    print(in_a_line(where), flush=True)
    return 1 if missing else 0


def interrupted(*_: object) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # once is enough: the end is under way
    raise KeyboardInterrupt


def main() -> int:
    options = arguments()
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    start.on_signals((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), interrupted)
    try:
        return said(options)
    except KeyboardInterrupt:
        print("batch: interrupted; the same command goes on where it stopped", file=sys.stderr)
        return 130


def said(options: argparse.Namespace) -> int:
    """Grade; what is in the way of that is a line, and status 2."""
    try:
        if why := bad_patience():
            raise CannotGrade(why)
        settings = settings_of(options)
        if not (options.scheduler or options.grader) and (walls := available(settings.walls)) != "bwrap":
            print(f"walls: {walls}, and one submission at a time, for they share a network")
        return grade(options, settings, roster(options.submissions), shard_of(options.shard))
    except CannotGrade as error:
        print(in_a_line(f"batch: {error}"), file=sys.stderr)
        return 2
    except OSError as error:
        print(in_a_line(f"batch: {error.filename or options.out}: {error.strerror}"), file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
