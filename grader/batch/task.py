"""Grade one submission: the unit of work, which any executor may run, twice if need be. All it leaves is in its folder.

The grader runs in a process of its own, with a time limit, so that nothing of one submission reaches another's. What
it wrote is read as data of others and held against what was asked for.
"""

import os
import signal
import subprocess
import tempfile
import threading
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader import intake
from grader.batch import entry as entries
from grader.batch.apart import apart
from grader.batch.entry import LETTERS, Entry, StepEntry
from grader.batch.roster import Student, shown
from grader.batch.version import GRADER, Settings, grader_version, key
from grader.finding import CannotGrade
from grader.grading import REPOSITORY
from grader.intake.tree import on_disk
from grader.kernel import Proc
from grader.record import FULL, NOT_JUDGED, Result
from grader.report import page, records
from grader.report.files import write_whole
from grader.run import now
from grader.stale import end_all
from grader.start import PARENT
from grader.workshop import remove_all

RESULT, PAGE = "result.json", "report.html"
GRACE = 60.0  # seconds for the grader to end its servers, and to write what it has
LONGEST = 600  # characters of a note
OUT_OF_TIME = "out of time"  # as grader.budget says it: another try would take as long

stop = threading.Event()  # nothing is begun or tried again, and what was interrupted is not kept
running: set[subprocess.Popen[bytes]] = set()


class Stopped(Exception):
    """The batch is to end; this submission will be graded by the next run."""


@dataclass(frozen=True)
class Task:
    """version: of the grader that is wanted; a worker elsewhere may have another."""

    submissions: str
    student: Student
    out: str
    settings: Settings
    version: str
    scratch: str  # what the names of temporary folders begin with

    @property
    def submission(self) -> Path:
        return Path(self.submissions) / os.fsdecode(on_disk(self.student.entry))

    @property
    def folder(self) -> Path:
        return Path(self.out) / self.student.folder


@dataclass(frozen=True)
class Done:
    """What came of a task: small, since it may have a way to go. fresh: graded now, not kept from before."""

    key: str
    fresh: bool
    judged: bool
    scores: tuple[int | None, ...]


def grade(task: Task) -> Done:
    """Grade a submission, unless its entry is there. Raises Stopped, or whatever keeps this worker from it."""
    if task.version != grader_version():
        raise RuntimeError("this worker has another version of the grader")
    sweep(task.scratch)
    refusals, sums = look(task)
    wanted = key(task.settings, task.student.folder + "/" + task.student.name, sums)
    found = entries.read(task.folder / entries.NAME)
    if found and found.key == wanted and found.total is not None:
        return Done(wanted, False, True, tuple(step.score for step in found.steps))
    for attempt in range(1, task.settings.attempts + 1):
        if stop.is_set():
            raise Stopped
        found = attempted(task, wanted, refusals, sums, last=attempt == task.settings.attempts)
        if found:
            break
    assert found
    found.write(Path(task.out))
    return Done(wanted, True, found.total is not None, tuple(step.score for step in found.steps))


def look(task: Task) -> tuple[dict[str, str], list[str]]:
    """Why a step cannot be graded, by step; and what is graded of each, as a sum."""
    steps = task.settings.steps
    try:
        received = intake.receive(task.submission, steps, follow=False)
    except CannotGrade as error:
        received = dict.fromkeys(steps, error)
    refusals = {step: reason(task, str(found)) for step, found in received.items() if isinstance(found, CannotGrade)}
    return refusals, [found.sha256 if isinstance(found, intake.Snapshot) else str(found) for found in received.values()]


def reason(task: Task, words: str) -> str:
    """As the student may read it: paths begin at the submission."""
    path = str(task.submission)
    return shown(words.replace(f"{path}/", "").replace(path, task.student.entry))


def attempted(task: Task, wanted: str, refusals: dict[str, str], sums: list[str], last: bool) -> Entry | None:
    """One try; None if something was not judged and there is another."""
    scratch, trouble = Path(tempfile.mkdtemp(prefix=f"{task.scratch}{os.getpid()}-")), "it was interrupted"
    try:
        with apart(task.settings.walls) if task.settings.grader == GRADER else nullcontext():
            if stop.is_set():
                raise Stopped
            trouble = run_grader(task, scratch)
        if stop.is_set():
            raise Stopped
        said = scratch / "said"
        data = entries.read_json(said / RESULT)
        try:
            entry = summary(task, wanted, data, refusals, sums)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            entry, trouble = None, trouble or "the grader left no result that can be read"
        if entry is None or not (said / PAGE).is_file():
            return given_up(task, wanted, trouble or "the grader left no page") if last else None
        if entry.total is None and not last and OUT_OF_TIME not in entry.note:
            return None
        if trouble and entry.total is None:
            entry.note = joined([trouble, entry.note])
        task.folder.mkdir(parents=True, exist_ok=True)
        for name in (RESULT, PAGE):
            put(said / name, task.folder / name)
        return entry
    finally:
        clear(scratch, thoroughly=bool(trouble))


def run_grader(task: Task, scratch: Path) -> str:
    """What went wrong with the grader itself, in a line; "" if nothing did."""
    settings = task.settings
    command = [*settings.grader, ",".join(settings.steps), "--submission", str(task.submission)]
    command += ["--json", str(scratch / "said" / RESULT), "--html", str(scratch / "said" / PAGE), "--no-follow"]
    command += ["--seed", str(settings.seed), "--examples", str(settings.examples)]
    command += ["--walls", settings.walls, "--budget", f"{settings.budget:g}"]
    scratch.chmod(0o711)  # a server may be another user, who has to get to what is its own
    (scratch / "tmp").mkdir(0o711)
    (scratch / "said").mkdir(0o700)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "PYTEST_"))}
    environment |= {"TMPDIR": str(scratch / "tmp"), "NO_COLOR": "1", PARENT: str(os.getpid())}
    with open(scratch / "said" / "err", "w+b") as said:
        process = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,  # Ctrl-C is ours: we end it
        )
        running.add(process)
        try:
            late = waited(process, settings.limit)
        finally:
            running.discard(process)
        said.seek(0)
        words = said.read(1 << 16).decode("utf-8", "replace").strip().splitlines()
    if late:
        return f"it was not done after {settings.limit:g} s"
    if process.returncode in (0, 1) and (scratch / "said" / RESULT).exists():
        return ""
    if process.returncode < 0:
        return f"the grader was ended by {signal.Signals(-process.returncode).name}"
    return f"the grader ended with status {process.returncode}: {reason(task, words[-1]) if words else 'no word'}"


def waited(process: subprocess.Popen[bytes], limit: float) -> bool:
    """Whether it had to be ended: told to first, so that it ends its servers and writes what it has; then killed."""
    if stop.is_set():  # between its start and the moment when it was known
        process.terminate()
    try:
        process.wait(limit)
        return False
    except subprocess.TimeoutExpired:
        process.terminate()
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return True


def summary(task: Task, wanted: str, data: Any, refusals: dict[str, str], sums: list[str]) -> Entry:
    """An entry out of the grader's JSON. Raises KeyError, TypeError or ValueError if it is not what was asked for."""
    if [step["step"] for step in data["steps"]] != list(task.settings.steps):
        raise ValueError("other steps")
    steps, said = [], []
    for result, expected in zip(data["steps"], sums, strict=True):
        name = result["step"]
        step, notes = of_step(result, expected, refusals.get(name, ""))
        steps.append(step)
        said += [f"{name[:2]}: {note}" for note in notes]
    walls = sorted({shown(str(result.get("walls") or "none")) for result in data["steps"] if result["checks"]})
    return Entry(task.student.name, task.student.folder, wanted, " ".join(walls), joined(said), steps)


def of_step(result: dict[str, Any], expected: str, refusal: str) -> tuple[StepEntry, list[str]]:
    """A step's entry, and what is to be said of it."""
    name, notes = str(result["step"]), [shown(str(note)) for note in result["notes"]]
    if refusal:
        return StepEntry(name, 0), [refusal]
    if result["error"]:
        return StepEntry(name, None), [f"not judged: {shown(str(result['error']))}"]
    if result["snapshot"] != expected:
        return StepEntry(name, None), ["not judged: it changed while it was graded"]
    graded = [check for check in result["checks"] if not check["stretch"]]
    step = StepEntry(name, sum(int(check["earned"]) for check in graded), snapshot=expected)
    if sum(int(check["points"]) for check in graded) != FULL:
        raise ValueError("not all checks are there")
    for check in result["checks"]:
        step.checks[str(check["name"])] = LETTERS[check["outcome"]]
        if lost := int(check["points"]) - int(check["earned"]):
            step.lost[str(check["name"])] = lost
    if open_ones := [check for check in graded if check["outcome"] == NOT_JUDGED]:
        step.score = None
        notes.append(f"not judged: {len(open_ones)} checks: {shown(str(open_ones[0]['reason']))}")
    return step, notes


def joined(words: list[str]) -> str:
    text = "; ".join(dict.fromkeys(filter(None, words)))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


def given_up(task: Task, wanted: str, why: str) -> Entry:
    """The entry, the result and the page of a submission of which there is none: not judged, and why."""
    words = f"not judged: {why}"
    results = [Result(step, str(task.submission), when=now(), error=words) for step in task.settings.steps]
    write_whole(task.folder / RESULT, records.render(results))
    write_whole(task.folder / PAGE, page.render(results))
    steps = [StepEntry(step, None) for step in task.settings.steps]
    return Entry(task.student.name, task.student.folder, wanted, "", joined([words]), steps)


def put(source: Path, target: Path) -> None:
    """Copy it whole or not at all: it may come from another file system, and be what a server has put there."""
    descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, encoding="utf-8", errors="backslashreplace", newline="") as file:
        write_whole(target, file.read(entries.MOST_BYTES))


def sweep(prefix: str) -> None:
    """Clear what a worker of this machine has left that was killed: the folder's name has its number."""
    for left in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        pid = left.name[len(prefix) :].partition("-")[0]
        process = Proc().process(int(pid)) if pid.isdigit() else None
        if (process is None or process.state in "ZX") and left.lstat().st_uid == os.geteuid():
            clear(left, thoroughly=True)


def clear(scratch: Path, thoroughly: bool) -> None:
    """Remove a temporary folder. Thoroughly: end what still runs from it, as a grader that was killed could not; each
    server has its own temporary folder in there, as the grader has."""
    if thoroughly:
        end_all(f"TMPDIR={scratch}/")
    remove_all(scratch)
