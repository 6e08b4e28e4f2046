"""Which line of the learner's program each thread and greenlet of a server is in.

The server's Python says it itself, on a signal for which `grader/inside/sitecustomize.py` has set a handler. The
signal interrupts the call in which a thread sleeps (it is begun again, PEP 475): so it is sent only when the
verdict is made and everything else has been noted, and a server that was asked serves no other check.
What comes back is the word of a stranger: bounded, taken apart with care, and never more than a hint.
"""

import os
import stat
import time
from dataclasses import dataclass, field
from pathlib import Path

from grader import waiting
from grader.kernel import Task
from grader.launch import Launch

ASK = 59  # grader/inside/sitecustomize.py
MOST_BYTES, MOST_PROCESSES = 1 << 20, 64
MOST_GREENLETS = 2000  # more are not told, grader/inside/sitecustomize.py
NUDGE = 0.05  # seconds between two looks at who has not answered
ANSWER_WITHIN = waiting.PATIENCE / 6  # seconds, after which a hint is not worth more waiting


@dataclass(frozen=True)
class Line:
    """A place in the learner's program. `file` is relative to the folder of server.py; number: 0 where a frame has
    none, as between two rounds of a loop."""

    file: str
    number: int
    function: str
    text: str

    def __str__(self) -> str:
        where = f"{self.file} line {self.number}" if self.number else self.file
        where += f", in {self.function}" if self.function != "<module>" else ""
        return f"{where}: {self.text}" if self.text else where


@dataclass
class Lines:
    """What the processes answered: by thread (0: one whose id is not known), and the greenlets of each process."""

    threads: dict[tuple[int, int], Line] = field(default_factory=dict)
    greenlets: dict[int, list[Line]] = field(default_factory=dict)


def ask(launch: Launch) -> Lines:
    """Ask every process that listens to the question. Those that have thrown the handler away say nothing."""
    found = Lines()
    asked = [pid for pid, process in launch.family().items() if process.state not in "ZXTt" and listens(launch, pid)]
    asked = asked[:MOST_PROCESSES]
    put_question(launch, asked)
    for pid in asked:
        read_answer(launch, pid, found)
    return found


def greenlets(launch: Launch) -> int | None:
    """How many greenlets the main process says it has, the one that runs aside; None if it says nothing, or not all."""
    if launch.status is not None or not listens(launch, launch.pid):
        return None
    put_question(launch, [launch.pid])
    text = answer_of(launch, launch.pid)
    count = sum(line.startswith("greenlet\t") for line in text.split("\n"))
    return count if text and len(text) < MOST_BYTES and count < MOST_GREENLETS else None


def put_question(launch: Launch, asked: list[int]) -> None:
    """Send the signal, and wait until all have answered who will.

    A signal that comes just before a thread goes to sleep in C code does not wake it: libev's loop calls Python's
    handlers, and then sleeps. So whoever sleeps on without an answer is sent it again.
    """
    for pid in asked:
        forget_answer(launch, pid)
        send(pid)
    now = time.monotonic()
    give_up, again = now + ANSWER_WITHIN, now + NUDGE
    before: dict[int, Task | None] = {}

    def answered() -> bool:
        nonlocal before, again
        now = time.monotonic()
        missing = [pid for pid in asked if not os.path.lexists(answer_path(launch, pid)) and launch.proc.process(pid)]
        if missing and now > again:
            again = now + NUDGE
            tasks = {pid: launch.proc.task(pid, pid) for pid in missing}
            for pid, task in tasks.items():
                slept = before.get(pid)
                still = task and slept and task.state == slept.state == "S" and task.switches == slept.switches
                if still and listens(launch, pid):
                    send(pid)
            before = tasks
        return not missing or now > give_up

    waiting.wait_for(answered, 0.001)


def send(pid: int) -> None:
    try:
        os.kill(pid, ASK)
    except (ProcessLookupError, PermissionError):
        pass


def forget_answer(launch: Launch, pid: int) -> None:
    """That of a question before."""
    try:
        answer_path(launch, pid).unlink(missing_ok=True)
    except OSError:
        pass


def answer_path(launch: Launch, pid: int) -> Path:
    return launch.lines / str(launch.proc.own_number(pid) or pid)


def listens(launch: Launch, pid: int) -> bool:
    """Whether the handler is there, and no thread that could take the signal blocks it."""
    return launch.proc.catches(pid, ASK) and not launch.proc.blocks(pid, ASK)


def answer_of(launch: Launch, pid: int) -> str:
    """What a process has answered; "" if nothing, or if what lies there is no file."""
    try:
        file = os.open(answer_path(launch, pid), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            return ""
        with open(file, "rb", closefd=False) as answer:
            return answer.read(MOST_BYTES).decode("ascii", "replace")
    except OSError:
        return ""
    finally:
        os.close(file)


def read_answer(launch: Launch, pid: int, found: Lines) -> None:
    kind, tid, placed = "", 0, True
    numbers = {launch.proc.own_number(pid, "task", tid): tid for tid in launch.proc.numbers(pid, "task")}
    for words in (line.split("\t") for line in answer_of(launch, pid).split("\n")):
        if words[0] in ("thread", "greenlet") and len(words) == 2:
            kind, tid, placed = words[0], numbers.get(number_of(words[1]), 0), False
        elif words[0] == "frame" and len(words) == 4 and not placed and (line := place(launch, words[1:])):
            placed = True
            if kind == "thread":
                found.threads[pid, tid] = line
            else:
                found.greenlets.setdefault(pid, []).append(line)


def number_of(word: str) -> int:
    """A number of at most nine digits, as of a thread or a line; 0 if it is none."""
    return int(word) if word.isdecimal() and len(word) < 10 else 0


def name_of(word: str) -> str:
    """A name from its bytes in hexadecimal digits. Raises ValueError."""
    return bytes.fromhex(word).decode("utf-8", "replace")


def place(launch: Launch, words: list[str]) -> Line | None:
    """A frame as a line of the learner's program; None if it belongs to somebody else's."""
    number = number_of(words[0])
    try:
        function, file = name_of(words[1]), Path(name_of(words[2]))
        name = file.relative_to(launch.script.parent)
    except ValueError:
        return None
    if ".." in name.parts:
        return None
    return Line(str(name)[:80], number, function[:80], text_of(launch, name, number))


def text_of(launch: Launch, name: Path, number: int) -> str:
    """The source of a line, as it was handed in."""
    source = launch.source if str(name) == launch.script.name else b""
    lines = source.decode("utf-8", "replace").split("\n")
    return lines[number - 1].strip()[:120] if 0 < number <= len(lines) else ""
