"""Run a step's checks in pytest and fill the result; what pytest prints itself is not shown."""

import hashlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from grader import waiting
from grader.finding import CannotGrade, Refused
from grader.grading import REPOSITORY, Grading, step_named
from grader.intake.layout import SERVER
from grader.playing import suite
from grader.plugin import Grader
from grader.record import Check, Result
from grader.shortage import in_words
from grader.walls import Walls

#: What may end a run before its time, and does so with care. SIGALRM is pytest-timeout's; SIGKILL nobody hears of.
ENDING = (
    *(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGABRT, signal.SIGUSR1, signal.SIGUSR2),
    *(signal.SIGXCPU, signal.SIGVTALRM, signal.SIGPROF, signal.SIGIO, signal.SIGPWR),
)


@contextmanager
def opened(
    result: Result,
    submission: Path,
    python: str = sys.executable,
    walls: Walls | None = None,
    *,
    lone: bool = True,
    follow: bool = True,
) -> Iterator[Grading | None]:
    """What lasts for a run of `result.step`, ended whatever happens; None if nothing can be graded.

    lone: a server.py alone will do. follow: the submission's own name may be a link.
    """
    result.when = now()
    try:
        result.step = step_named(result.step)
        grading = Grading(submission, result.step, python, walls, lone=lone, follow=follow)
    except (CannotGrade, OSError, RuntimeError, MemoryError) as error:
        if not (why := str(error) if isinstance(error, CannotGrade) else in_words(error)):
            raise
        result.error = why.replace("\n", "\\n")  # a path may hold one; what is said is a line
        result.refused = isinstance(error, Refused)
        yield None
        return
    result.walls, result.walls_note = grading.walls.name, grading.walls.note
    result.script, result.sha256 = f"{grading.snapshot.where}/{SERVER}", hashlib.sha256(grading.source).hexdigest()
    result.snapshot, result.notes = grading.snapshot.sha256, grading.snapshot.notes
    try:
        yield grading
    finally:
        with undisturbed():
            result.notes += [f"left behind: {words}" for words in grading.close()]


@contextmanager
def undisturbed() -> Iterator[None]:
    """The end is not to be interrupted: it takes no time, leaves nothing behind and nothing half written."""
    before = {n: signal.signal(n, signal.SIG_IGN) for n in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def unconfigured() -> Iterator[None]:
    """Without the variables by which people configure pytest, such as PYTEST_ADDOPTS: no grade hangs on them."""
    theirs = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(("PYTEST_", "PY_"))}
    try:
        yield
    finally:
        os.environ.update(theirs)


def now() -> str:
    """The time in UTC, ISO 8601."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def run(
    grading: Grading,
    result: Result,
    *,
    select: str | None = None,
    show: Callable[[Check], None] | None = None,
    first: Sequence[str] = (),
    stop: bool = False,
    brief: bool = False,
) -> None:
    """Grade one step. After this every check of the suite has a record, whatever happened.

    select: an expression of names, as pytest's -k; then this is a part. brief: only each line's own scenes, no
    stretch check.
    """
    result.todo = result.todo or grading.todo
    result.part = result.part or select or ""
    given = ["-c", os.devnull, "--rootdir", str(REPOSITORY), "--noconftest", "--disable-plugin-autoload"]
    given += [word for name in ("terminal", "cacheprovider", "faulthandler") for word in ("-p", f"no:{name}")]
    given += [word for name in ("warnings", "unraisableexception", "threadexception") for word in ("-p", f"no:{name}")]
    given += ["-s", "--assert=plain", "-p", "timeout", f"--timeout={6 * waiting.LIMIT:.0f}", str(suite(result.step))]
    grading.partial = bool(select) and not brief
    if select:
        given += ["-k", select]
    if brief:
        given += ["-m", "not stretch"]
    with unconfigured():
        status = pytest.main(given, plugins=[Grader(grading, result, show=show, first=first, stop=stop)])
    result.interrupted = status == pytest.ExitCode.INTERRUPTED and not result.error
    if status == pytest.ExitCode.USAGE_ERROR:
        result.error = f"-k {select!r} is no expression of names, `and`, `or`, `not` and brackets"
    elif select and not result.selected and not result.error:
        names = ", ".join(check.name for check in result.checks)
        result.error = f"-k {select!r} is in the name of no check of {result.step}; they are: {names}"
