"""Start a server, know its family and its port, signal it, and end it with everything it has started.

The grader is the family's subreaper (prctl(2), PR_SET_CHILD_SUBREAPER): an orphan, however often it
forked or whatever session it fled to, becomes the grader's child, so that nothing escapes the end.
"""

import os
import resource
import secrets
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path

from grader import tracing
from grader.budget import END_WITHIN
from grader.clock import Clock
from grader.copies import HeldSockets
from grader.kernel import LIBC, NetlinkSockets, Proc, Process, ProcSockets, Socket, sockets
from grader.leftovers import Leftovers
from grader.output import Output
from grader.stale import PREFIX, TOKEN, belongs
from grader.walls import Program, Walls

PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 36, 38
DEFAULT_PORT = 7890
CHASE = 0.05  # seconds at a time
MOST_PROCESSES = 1000  # alive: a right server has one for each of some fifty clients, or a pool with room for them

_own: set[int] = set()  # children that the grader itself has started and will reap
_families: set[tuple[int, int]] = set()  # pid and start of all that have been seen in a server's family
_strangers: set[tuple[int, int]] | None = None  # children that were there before us: of the shell that became us, say


@contextmanager
def our_own(command: list[str], pass_fds: tuple[int, ...] = ()) -> Iterator[subprocess.Popen[bytes]]:
    """A program of ours that is no part of any server; it is ended here, whatever happens."""
    popen = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=pass_fds)
    assert popen.stdin
    _own.add(popen.pid)
    try:
        yield popen
    finally:
        popen.kill()
        popen.wait()
        popen.stdin.close()
        _own.discard(popen.pid)


def prepare_grader() -> None:
    """Once for a run: adopt orphans, lift the soft limit of descriptors, undo inherited ignores."""
    global _strangers
    if _strangers is None:
        reap_orphans()
        there = (Proc().process(child) for child in orphans())
        _strangers = {(child.pid, child.started) for child in there if child}
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def forgo_privileges() -> None:
    """No program that a server starts becomes another user's (su, ping), whom we could not end: prctl(2)."""
    LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


class Launch:
    """A started server and its family. `listener` is its listening socket once it has one."""

    def __init__(
        self,
        python: str,
        script: Path,
        arguments: list[str],
        folder: Path,
        clock: Clock | None = None,
        *,
        most: int = MOST_PROCESSES,
        walls: Walls | None = None,
        leftovers: Leftovers | None = None,
    ):
        self.leftovers = leftovers
        self.walls = walls or Walls()
        self.proc = self.walls.proc
        self.sockets: NetlinkSockets | ProcSockets = sockets(self.proc)
        if isinstance(self.sockets, ProcSockets):
            self.sockets = HeldSockets(self.proc, self.family)
        self.arguments = arguments
        self.script = script
        self.clock = clock
        self.source = script.read_bytes()
        self.lines = folder.with_name(f"{folder.name}-lines")  # where its processes say which line they are in
        self.lines.mkdir()
        self.token = f"{folder.parent.name}/{secrets.token_hex(8)}"
        self.output = Output()
        self.started = time.monotonic()
        self.listener: Socket | None = None
        self.over = False
        self.most = most
        self.multitude = 0  # processes alive when there were more than that
        environment = self.environment(folder) | (clock.environment if clock else {})
        shared = (self.lines, clock.path) if clock else (self.lines,)
        program = Program([python, str(script), *arguments], script, folder, environment, self.output.writer, shared)
        try:
            self.body = self.walls.start(program)
        except BaseException:
            self.sockets.close()
            self.output.abandon()
            raise
        self.popen = self.body.popen
        os.close(self.output.writer)
        _own.add(self.popen.pid)

    def environment(self, folder: Path) -> dict[str, str]:
        """Small and always the same, but for what this interpreter may need to start: ld.so(8) LD_LIBRARY_PATH."""
        return {
            **{name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ},
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "PYTHONIOENCODING": "utf-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(self.walls.inside),
            "EIGHT_SERVERS_LINES": str(self.lines),
            TOKEN: self.token,
        }

    @property
    def pid(self) -> int:
        return self.body.pid

    @property
    def status(self) -> int | None:
        """The main process's exit status, negative for a signal; None while it runs."""
        return self.body.status()

    def family(self) -> dict[int, Process]:
        """Every process of the server, zombies included: its session, their descendants, its orphans.

        One that has become a multitude is ended, before it takes the machine with it.
        """
        members = self.members()
        alive = sum(process.state not in "ZX" for process in members.values())
        if alive <= self.most or self.multitude:
            return members
        self.multitude = alive
        self.end()
        return {}

    def members(self) -> dict[int, Process]:
        processes = self.proc.processes(self.strangers)
        members = {pid for pid, process in processes.items() if process.session == self.pid}
        members |= {pid for pid, process in processes.items() if self.is_orphan(process)}
        grown = True
        while grown:
            grown = False
            for pid, process in processes.items():
                if process.parent in members and pid not in members:
                    members.add(pid)
                    grown = True
        if self.pid in members and processes[self.pid].state in "ZX" and self.status is not None:
            members.remove(self.pid)  # it is waited for
        if self.leftovers:
            self.leftovers.pids |= members
        _families.update((pid, processes[pid].started) for pid in members)
        return {pid: processes[pid] for pid in sorted(members)}

    @cached_property
    def began(self) -> int:
        """When the main process began, clock ticks after boot."""
        main = self.proc.process(self.pid)
        return main.started if main else 0

    @cached_property
    def strangers(self) -> set[tuple[int, int]]:
        """Whoever is older than the main process descends from it never: need not be read again and again."""
        older = self.proc.started_before(self.began) if self.began else set()
        return {(pid, inode) for pid, inode in older if pid not in self.body.ours}

    def is_orphan(self, process: Process) -> bool:
        """Whether one that has been adopted came from this server."""
        if self.body.adopter != os.getpid():
            return process.parent == self.body.adopter
        if process.parent != os.getpid() or process.pid in _own or process.started < self.began:
            return False
        if _own == {self.popen.pid} and is_ours(process):  # it is nobody else's
            return True
        if f"{TOKEN}={self.token}" in self.proc.read(process.pid, "environ").split("\0"):
            return True
        # One without our environment: what it holds says whose it is.
        ours = {f"pipe:[{self.output.inode}]", f"socket:[{self.listener.inode}]" if self.listener else ""}
        descriptors = self.proc.descriptors(process.pid)
        return bool(ours & {*descriptors.values()}) or any(
            self.is_at_our_port(process.pid, number)
            for number, target in descriptors.items()
            if target.startswith("socket:[")
        )

    def is_at_our_port(self, pid: int, number: int) -> bool:
        try:
            return self.listener is not None and self.proc.ends(pid, number)[0] == self.listener.address[1]
        except OSError:
            return False

    def find_listener(self) -> Socket | None:
        """The listening socket that the family holds; of several, the one on the port asked for first."""
        return next(iter(self.doors().values()), None)

    def doors(self) -> dict[int, Socket]:
        """The family's listeners by their ports, the one asked for first, then in the order of descriptors.

        At a port that IPv4 and IPv6 listeners share, or several processes (SO_REUSEPORT), they are one.
        """
        held: dict[str, int] = {}
        for pid in self.family():
            for target in self.proc.descriptors(pid).values():
                held.setdefault(target, len(held))
        ours = [row for row in self.sockets.listeners() if f"socket:[{row.inode}]" in held]
        ours.sort(key=lambda row: (self.otherness(row), ":" in row.address[0], held[f"socket:[{row.inode}]"]))
        doors: dict[int, Socket] = {}
        for row in ours:
            doors.setdefault(row.address[1], row)
        return doors

    def otherness(self, row: Socket) -> int:
        """0: at the address and port asked for; 1: at that port and every address; 2: at another; 3: elsewhere."""
        if not self.asked_for(row):
            return 3
        host = row.address[0].removeprefix("::ffff:")
        return 0 if host in (self.arguments or ["127.0.0.1"]) else 1 if host in ("0.0.0.0", "::", "") else 2

    def asked_for(self, row: Socket) -> bool:
        """Whether a listener is at the port that the command line names; without arguments, at the default one."""
        return str(row.address[1]) in (self.arguments or [str(DEFAULT_PORT)])

    def signal(self, number: int, *, group: bool = False) -> None:
        """Send a signal to the main process alone, as `kill PID` does; group: to all of its process group, as a
        terminal does. Nothing happens if it is gone."""
        if self.status is not None:
            return
        if group and (whole := os.getpgid(self.pid)) != os.getpgrp():
            os.killpg(whole, number)
        else:
            os.kill(self.pid, number)

    def chase(self) -> None:
        """Kill a chain whose links live too short to be found in /proc: each becomes our child when the one before has
        ended, and who is our child is told quickly."""
        end = time.monotonic() + CHASE
        while time.monotonic() < end and (children := orphans()):
            found = [process for child in children if (process := self.proc.process(child))]
            send(
                signal.SIGKILL, (process for process in found if process.state not in "ZX" and self.is_orphan(process))
            )
            reap_orphans()

    def end(self) -> list[str]:
        """Kill the family until nothing of it is left, and wait for that. Returns who could not be ended, in words."""
        if self.over:
            return []
        self.body.kill()
        give_up = time.monotonic() + END_WITHIN
        left: list[str] = []
        while not left:
            living = [process for process in self.members().values() if process.state not in "ZX"]
            if self.leftovers and not self.multitude:
                self.leftovers.look(process.pid for process in living)
            for number in (signal.SIGSTOP, signal.SIGKILL):  # stopped first: no fork outruns the kill
                send_to_groups(number, living)
                send(number, living)
            for pid in (self.pid, *orphans()):
                tracing.let_go(self.proc, pid)
            # A chain of forks may slip between two reads of /proc, but not without leaving a dead orphan.
            if (dead := reap_orphans()) and self.body.adopter == os.getpid():
                self.chase()
            if self.status is not None and not dead and not living:
                break
            if time.monotonic() > give_up:
                left = [said(process) for process in living] or [f"main process {self.pid}"]
            time.sleep(0.001)
        self.over = True
        _own.discard(self.popen.pid)
        self.output.close()
        if self.clock:
            self.clock.close()
        return left


def send(number: int, processes: Iterable[Process]) -> None:
    """Send a signal to those who are still there. Who has become somebody else's, as by sudo(8), is not ours to end."""
    for process in processes:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process.pid, number)


def send_to_groups(number: int, processes: Iterable[Process]) -> None:
    """To all of their process groups at once: nobody in one can fork meanwhile, kill(2), fork(2)."""
    groups = set()
    for process in processes:
        with suppress(ProcessLookupError):
            groups.add(os.getpgid(process.pid))
    for group in groups - {os.getpgrp(), 0}:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)


def said(process: Process) -> str:
    return f"process {process.pid} ({process.name!a}, state {process.state})"


def orphans() -> list[int]:
    """Adopted children, dead or alive: proc_pid_task_children(5), or by everybody's parent where there is no such."""
    proc = Proc()
    tasks = proc.numbers("self", "task")
    if tasks and os.path.exists(f"{proc.root}/self/task/{tasks[0]}/children"):
        listed = " ".join(proc.read("self", "task", task, "children") for task in tasks)
        children = [int(child) for child in listed.split()]
    else:
        children = [pid for pid, process in proc.processes().items() if process.parent == os.getpid()]
    return [child for child in children if child not in _own]


def is_ours(process: Process) -> bool:
    """Whether an adopted child came from a server of ours, and from nobody else.

    Nobody else's is adopted, unless we are the init process of others, or had children before we were the grader,
    which have children too. Then it has to be known: by the family it was seen in, or by our token.
    """
    key = process.pid, process.started
    if key in (_strangers or ()):
        return False
    alone = os.getpid() != 1 and not _strangers
    return alone or key in _families or belongs(process.pid, PREFIX)


def reap_orphans() -> int:
    """Wait for dead adopted children, which nobody else will; how many there were."""
    reaped = 0
    for child in orphans():
        try:
            if tracing.dead(child):
                reaped += os.waitpid(child, os.WNOHANG)[0] != 0
        except ChildProcessError:
            pass
    return reaped


def end_orphans() -> list[str]:
    """After the last server's end: kill what has cut every tie to it but that of descent. Returns who is left."""
    proc, give_up = Proc(), time.monotonic() + END_WITHIN
    while left := [each for child in orphans() if (each := proc.process(child)) and is_ours(each)]:
        send(signal.SIGKILL, left)
        for process in left:
            tracing.let_go(proc, process.pid)
        reap_orphans()
        if time.monotonic() > give_up:
            return list(map(said, left))
        time.sleep(0.001)
    _families.clear()
    return []
