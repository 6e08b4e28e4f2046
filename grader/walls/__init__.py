"""The walls around a submission's server: where it runs, as whom, and what it can reach.

`Walls` are none at all: a server is a child of the grader like any other. The others are in `bubblewrap` and `user`;
`choice` finds the best that works here. All answer one question: a program, and how it is started.
"""

import os
import resource
import signal
import subprocess
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader import tracing
from grader.kernel import LIBC, Proc

PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Program:
    """What is to be started. script: the server, in a fresh copy of the submission. folder: where it starts, its own.

    output: the descriptor that takes what it prints. shared: what it writes and the grader reads (or the reverse).
    """

    command: list[str]
    script: Path
    folder: Path
    environment: dict[str, str]
    output: int
    shared: tuple[Path, ...] = ()


class Started:
    """A program that runs as a child of the grader. `excess`: what it had too much of, and was ended for."""

    def __init__(self, popen: subprocess.Popen[bytes], proc: Proc):
        self.popen = popen
        self.proc = proc
        self.pid = popen.pid  # of its main process
        self.adopter = os.getpid()  # whose children its orphans become
        self.ours = frozenset({self.adopter})  # processes above it, which are no part of it
        self.excess = ""

    def status(self) -> int | None:
        """The main process's exit status, negative for a signal; None while it runs."""
        if self.popen.returncode is None and not tracing.dead(self.pid):  # Popen takes a traced one that stops for dead
            tracing.let_go(self.proc, self.pid)
            return None
        return self.popen.poll()

    def kill(self) -> None:
        """End all of it at once, where that can be done at once."""

    def private(self) -> Iterable[str]:
        """Folders of file systems that are its alone."""
        return ()


INSIDE = Path(__file__).resolve().parents[1] / "inside"


class Walls:
    """None. `name` and `note` are what a report says."""

    name = "none"
    note = ""

    def __init__(self) -> None:
        self.proc = Proc()
        self.site = Path()  # the folder that holds the document root
        self.links: dict[Path, Path] = {}  # of the workshop: link -> what it leads to
        self.bodies: list[Started] = []  # what runs behind them
        self.inside = INSIDE  # what every server's Python loads

    def prepare(self, workshop: Path) -> None:
        """The run's temporary folder is there."""

    def give(self, *paths: Path) -> None:
        """Let the server have these files and folders, as if it had made them."""

    def start(self, program: Program) -> Started:
        """Raises CannotGrade where the walls cannot be built."""
        self.bodies = [body for body in self.bodies if body.popen.returncode is None]
        self.bodies.append(self.begin(program))
        return self.bodies[-1]

    def begin(self, program: Program) -> Started:
        return Started(popen(program.command, program, cwd=program.folder), self.proc)

    def pids(self) -> list[int]:
        """All processes that run behind them, and perhaps a few of ours."""
        return []

    def belongings(self) -> tuple[int, int]:
        """Files of servers that no file system of their own holds: how many, and bytes."""
        return 0, 0

    def set_descriptors(self, pid: int, most: int) -> None:
        """The soft limit of a server's process, prlimit(2) of RLIMIT_NOFILE."""
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]))

    def kill(self) -> None:
        """End every server."""
        for body in self.bodies:
            body.kill()

    def close(self) -> None:
        """After the last server's end."""


def begin_child(grader: int) -> Callable[[], None]:
    """What a server's main process does before it is one: no signal is ignored, and it ends when the grader does.

    A background job's children inherit SIGINT ignored, those of nohup SIGHUP; a server must see them at their
    defaults. PR_SET_PDEATHSIG, prctl(2), follows the thread that has made the process: so it has to be the main one.
    """
    ignored = [number for number in signal.valid_signals() if signal.getsignal(number) == signal.SIG_IGN]
    mortal = threading.current_thread() is threading.main_thread()

    def begin() -> None:
        for number in ignored:
            signal.signal(number, signal.SIG_DFL)
        if mortal:
            LIBC.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
            if os.getppid() != grader:  # it has ended meanwhile
                os.kill(os.getpid(), signal.SIGKILL)

    return begin


def popen(
    command: list[str], program: Program, stdin: int = subprocess.DEVNULL, **more: Any
) -> "subprocess.Popen[bytes]":
    """Start this in a session of its own, with nothing of ours but the program's environment and its output."""
    output, environment, begin = program.output, program.environment, begin_child(os.getpid())
    popen: subprocess.Popen[bytes] = subprocess.Popen(
        command,
        stdin=stdin,
        stdout=output,
        stderr=output,
        env=environment,
        start_new_session=True,
        preexec_fn=begin,
        **more,
    )
    return popen
