"""Before the first check: whether this machine lets a server have what it needs, and shows what verdicts rest on.

A limit or an oddity of the machine is never the server's fault. A helper is started as servers are (grader/helper.py),
and looked at as they are. What nobody could be graded without ends grading, with a line that says what to change. What
only some lines rest on is in a table: they are not judged then, unless they are lost by what can be seen.
"""

import errno
import json
import os
import resource
import shutil
import socket
import struct
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from grader import helper, patience_factor, shortage, waiting
from grader.finding import CannotGrade
from grader.kernel import Task
from grader.timers import timeout_of
from grader.traces import last_pid_tells

if TYPE_CHECKING:
    from grader.grading import Grading

WITHIN = 60.0 * patience_factor()  # seconds: a deadline for the helper, by which nothing is judged
WAITING = 64  # connections in a backlog: line `backlog`
ELSEWHERE = "127.83.19.7"  # another loopback address

#: How many a step's right servers have at a time, and some more: of processes, threads, descriptors.
PROCESSES, THREADS, DESCRIPTORS = {"02": 72}, {"03": 72, "04": 14}, 200
OURS = 8  # processes, or threads, of the grader's and of servers beside
SPARE = 100  # descriptors beside those for a line's clients

PTRACE = "the grader may not look into a process of its own user (kernel.yama.ptrace_scope, a sandbox)"


@dataclass(frozen=True)
class Lack:
    """What may be missing, the lines that rest on it, in which steps (none: in all), and how that is said.

    shows: it is something that the machine does not show, so that a line may still be lost by what can be seen; else
    it is something that cannot be tried, and what is said is the whole sentence.
    """

    what: str
    lines: tuple[str, ...]
    says: str
    steps: tuple[str, ...] = ()
    shows: bool = True


IN_WHICH_CALL = f"in which call a thread sleeps (/proc/PID/syscall): {PTRACE}"
TABLE = (
    Lack("call", ("in_turn", "sleeps_in_epoll", "gevent", "own_threads", "patience"), IN_WHICH_CALL),
    Lack("call", ("stalled_readers",), IN_WHICH_CALL, ("04", "05", "06", "07", "08")),
    Lack("memory", ("in_turn", "patience"), f"for how long a thread sleeps (/proc/PID/mem): {PTRACE}"),
    Lack("flags", ("nonblocking", "watches"), f"the flags of a descriptor (/proc/PID/fdinfo): {PTRACE}"),
    Lack("numbers", ("own_processes", "own_threads"), "who was made last (/proc/loadavg; lxcfs makes it up)"),
    Lack("clock", ("patience",), "a clock to the server's Python, which has not loaded our sitecustomize.py"),
    Lack(
        "addresses",
        ("command_line", "restart", "ends_in_service", "stalled"),
        f"nobody can connect from {ELSEWHERE}: `ip address add 127.0.0.1/8 dev lo`",
        shows=False,
    ),
    Lack(
        "backlog",
        ("backlog",),
        "somaxconn is {had}; the backlog check needs 64: `sysctl -w net.core.somaxconn=128`",
        shows=False,
    ),
)


@dataclass
class Machine:
    """What was found: why lines are not judged, by their names, and how many descriptors a process may have."""

    hidden: dict[str, str] = field(default_factory=dict)
    lacking: dict[str, str] = field(default_factory=dict)  # the same of those that cannot be tried at all
    descriptors: int = 1 << 30
    tells_timeouts: bool = True  # of blocking calls on sockets, and TCP_USER_TIMEOUT: pidfd_getfd(2)

    def hides(self, line: str) -> str:
        """Why it cannot be seen here whether this line holds; "" if it can."""
        return self.hidden.get(line, "")

    def cannot_try(self, line: str, clients: int) -> str:
        """Why a line, and so many clients, cannot be tried here; "" if they can."""
        if line in self.lacking or clients + SPARE <= self.descriptors:
            return self.lacking.get(line, "")
        return (
            f"this machine lets a process have {self.descriptors} descriptors, and {clients:,} clients take "
            f"{clients + SPARE}: `ulimit -Hn {clients + SPARE}` (docker run --ulimit nofile=...)"
        )


class Helper:
    """The helper as it runs. Raises CannotGrade if it cannot be had, or has not had what every check needs."""

    def __init__(self, grading: "Grading"):
        self.step = grading.step[:2]
        script = grading.workshop.folder("helper") / "server.py"
        shutil.copyfile(helper.__file__, script)
        self.needs = {
            "processes": PROCESSES.get(self.step, OURS),
            "threads": THREADS.get(self.step, 1),
            "descriptors": DESCRIPTORS + SPARE + 1000,
        }
        self.port = grading.port()
        try:
            self.launch = grading.launch("127.0.0.1", str(self.port), *map(str, self.needs.values()), script=script)
        except (OSError, RuntimeError, MemoryError) as error:
            why = shortage.in_words(error) if getattr(error, "filename", None) is None else ""
            raise CannotGrade(f"no server can be started: {why or error}") from None
        self.proc, self.pid = self.launch.proc, self.launch.pid
        self.listen(grading.python)

    def listen(self, python: str) -> None:
        """Wait until it has said what it has had."""
        launch, give_up = self.launch, time.monotonic() + WITHIN

        def said() -> bool:
            return "\n" in launch.output.text() or launch.status is not None or time.monotonic() > give_up

        waiting.wait_for(said, 0.001)
        waiting.wait_for(lambda: not launch.output.behind() or time.monotonic() > give_up, 0.001)
        printed = [line for line in launch.output.text().splitlines() if line.strip()]
        last = printed[-1] if printed else "it says nothing"
        try:
            self.said: dict[str, Any] = json.loads(last)
        except ValueError:
            how = f"status {launch.status}" if launch.status is not None else "it does not get ready"
            raise CannotGrade(f"no server runs with {python} here ({how}): {last[:300]}") from None
        if not isinstance(self.said, dict):
            raise CannotGrade(f"no server runs with {python} here: {last[:300]}")

    def demand(self) -> None:
        """What all checks of the step need. Raises CannotGrade."""
        for what, enough in (self.needs | {"descriptors": DESCRIPTORS}).items():
            count, why = self.said["had"][what]
            if count < enough:
                raise CannotGrade(
                    f"step {self.step} needs {enough} {what} at a time, and a server may have {count} here "
                    f"({why}): {raise_what(what)}"
                )

    def find(self, python: str) -> None:
        """The kernel shows what it has. Raises CannotGrade."""
        task = self.proc.task(self.pid, self.pid)
        self.launch.listener = self.launch.find_listener()
        if task and self.launch.listener and self.pid in self.launch.family():
            return
        why = why_unseen(python, self.proc.descriptors(self.pid))
        raise CannotGrade(f"the kernel does not show what a server has open; {why}")

    def sees(self, grading: "Grading") -> dict[str, bool]:
        """What is looked at (TABLE) -> whether it is there."""
        task = self.asleep()
        epoll, listener = self.said["epoll"], self.said["listener"]
        inode = self.launch.listener.inode if self.launch.listener else 0
        asleep = task is not None and task.call in ("select", "pselect6")
        return {
            "call": asleep,
            "memory": asleep and task is not None and abs(timeout_of(self.proc, task) - helper.NAP) < 1,
            "flags": inode in self.proc.watched(self.pid, epoll) and bool(self.proc.flags(self.pid, listener)),
            "numbers": any(last_pid_tells(self.proc) for _ in range(3)),
            "clock": self.launch.clock is not None and self.launch.clock.leads(self.proc, self.pid),
            "addresses": self.reached_from(ELSEWHERE),
            "timeouts": self.tells_timeouts(listener),
        }

    def asleep(self) -> Task | None:
        """Its main thread, once it sleeps."""
        give_up = time.monotonic() + 1

        def sleeps() -> bool:
            task = self.proc.task(self.pid, self.pid)
            asleep = task is not None and task.state == "S" and task.call not in ("running", "write")
            return asleep or time.monotonic() > give_up

        waiting.wait_for(sleeps, 0.001)
        return self.proc.task(self.pid, self.pid)

    def tells_timeouts(self, listener: int) -> bool:
        try:
            return self.proc.socket_timeout(self.pid, listener, socket.SO_RCVTIMEO) == helper.RECEIVE_TIMEOUT
        except OSError:
            return False

    def reached_from(self, source: str) -> bool:
        with socket.socket() as client:
            client.settimeout(1)
            try:
                client.bind((source, 0))
                client.connect(("127.0.0.1", self.port))
            except OSError:
                return False
            return True

    def waiting(self, count: int = WAITING) -> int:
        """How many of so many connections it lets wait. Raises CannotGrade if there can be none."""
        clients: list[socket.socket] = []
        try:
            for _ in range(count):
                clients.append(client := socket.socket())
                client.setblocking(False)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # leaves no TIME_WAIT
                number = client.connect_ex(("127.0.0.1", self.port))
                if number == errno.EADDRNOTAVAIL:  # the range of ports is small, and there are other addresses
                    client.bind((ELSEWHERE, 0))
                    number = client.connect_ex(("127.0.0.1", self.port))
                if number not in (0, errno.EINPROGRESS):
                    raise OSError(number, os.strerror(number))
            connected = sum(is_connected(client) for client in clients)
            if not connected:
                raise CannotGrade(f"no client can connect here: {shortage.NETWORK}")
            return connected
        except OSError as error:
            raise CannotGrade(f"no client can connect here: {shortage.in_words(error) or error.strerror}") from None
        finally:
            for client in clients:
                client.close()


def why_unseen(python: str, descriptors: dict[int, str]) -> str:
    """Why the kernel does not show a listener of this interpreter's, and what to change."""
    path = os.path.realpath(shutil.which(python) or python)
    if descriptors:
        return "neither netlink (sock_diag) nor /proc/net/tcp lists its listener"
    if not os.access(path, os.R_OK):
        return f"{path} may be executed and not be read, so all that it does is hidden: `chmod +r {path}`"
    return f"/proc/PID/fd is empty: {PTRACE}"


def is_connected(client: socket.socket) -> bool:
    try:
        client.getpeername()
    except OSError:
        return False
    return True


def raise_what(what: str) -> str:
    """Which limit to raise."""
    if what == "descriptors":
        return f"`ulimit -Hn {DESCRIPTORS}` or more (docker run --ulimit nofile=...)"
    limit = "`ulimit -u`, or pids.max of the container (docker run --pids-limit ...)"
    if what == "threads" and resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY:
        limit = f"`ulimit -v unlimited`, {limit}"
    return f"raise the limit: {limit}"


def look(grading: "Grading") -> Machine:
    """Start the helper and look. Raises CannotGrade."""
    helping = Helper(grading)
    try:
        helping.demand()
        helping.find(grading.python)
        waiting_ = helping.waiting()
        there = helping.sees(grading) | {"backlog": waiting_ >= WAITING}
        machine = Machine(tells_timeouts=there["timeouts"])
        machine.descriptors = min(helping.said["had"]["descriptors"][0], resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        for lack in TABLE:
            if not there[lack.what] and (not lack.steps or helping.step in lack.steps):
                why = f"this machine does not show {lack.says}" if lack.shows else lack.says.format(had=waiting_ - 1)
                lines = machine.hidden if lack.shows else machine.lacking
                lines.update({line: why for line in lack.lines if line not in lines})
        return machine
    finally:
        grading.end(helping.launch)


def short(grading: "Grading") -> str:
    """What this machine has no more of, though it had before; "" if it has all that the step needs."""
    try:
        helping = Helper(grading)
        try:
            helping.demand()
            helping.waiting()
        finally:
            grading.end(helping.launch)
    except CannotGrade as error:
        return str(error)
    return ""
