"""Proof that a server is stuck: that no amount of waiting will help, because only we could wake it.

A look at the family notes every thread's state and how often it was switched out. If two looks, one
after the other, find every thread asleep and none switched out in between, then there was a moment at
which all of them slept at once. What each sleeps on is read after the second look; a third one finds them
still asleep, so that nothing was read of a thread that had gone on. If each sleeps in a call that time
alone does not end, and nothing that we sent is still under way in the kernel, then nothing but a further
act of ours can wake any of them.

A thread that goes round in a loop cannot be proven asleep. It is called stuck when it has had TURNS
turns (it went to sleep and woke that many times) or SPIN seconds of CPU time while nothing that matters
changed: no socket, no descriptor, no process, no thread. Turns and CPU time are the server's own, so a
busy machine makes the verdict later and never harsher. What can be neither is left to the deadline.

TURNS cannot be few: who is stopped and continued (SIGSTOP, a debugger), or waits for a page from the disk,
goes to sleep and wakes too, some ten times a second, and gets nowhere meanwhile.
"""

import os
import signal
import socket
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass

from grader.kernel import Proc, Process, Task
from grader.sights import Sights

TURNS = 2000
SPIN = 5.0  # seconds of CPU time
NAP = 0.05  # seconds; a sleep with a shorter time-out is a round of a loop
AFTER_THE_FIRST = 0.2  # of both, and of the patience, once this submission has been caught by one of them

RECEIVE = ("read", "readv", "recvfrom", "recvmsg", "recvmmsg")
ACCEPT = ("accept", "accept4")
SEND = ("write", "writev", "sendto", "sendmsg", "sendfile", "splice")
FOREVER = 1e9  # seconds

#: Which argument is the time-out, and whether it is milliseconds or a pointer (0: none).
TIMEOUTS = {
    "epoll_wait": (3, "ms"),
    "epoll_pwait": (3, "ms"),
    "epoll_pwait2": (3, "pointer"),
    "poll": (2, "ms"),
    "ppoll": (2, "pointer"),
    "select": (4, "pointer"),
    "pselect6": (4, "pointer"),
    "futex": (3, "pointer"),
    "nanosleep": (0, "pointer"),
    "clock_nanosleep": (2, "pointer"),
}
FUTEX_CLOCK_REALTIME, TIMER_ABSTIME = 256, 1
FUTEX_WAITS = (0, 6, 9, 11, 13)  # FUTEX_WAIT, LOCK_PI, WAIT_BITSET, WAIT_REQUEUE_PI, LOCK_PI2
TIMER_DESCRIPTORS = ("[timerfd]", "[signalfd]", "[io_uring]")
TIMERS = (signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF)


@dataclass(frozen=True)
class Look:
    """The family at one moment."""

    processes: dict[int, Process]
    tasks: dict[tuple[int, int], Task]

    @property
    def alive(self) -> bool:
        return bool(self.processes)

    def asleep_since(self, before: "Look") -> set[tuple[int, int]]:
        """The threads that slept all the time between two looks."""
        return {
            key
            for key, task in self.tasks.items()
            if task.state == "S"
            and (earlier := before.tasks.get(key)) is not None
            and earlier.state == "S"
            and earlier.switches == task.switches
        }


def look(proc: Proc, family: Callable[[], dict[int, Process]]) -> Look:
    processes = {pid: process for pid, process in family().items() if process.state not in "ZX"}
    tasks = {(task.pid, task.tid): task for pid in processes for task in proc.tasks(pid)}
    return Look(processes, {key: task for key, task in tasks.items() if task.state not in "ZX"})


class Sockets:
    """What the prover must know of the descriptors that the family sleeps on.

    unread: bytes that wait in a client's socket (by inode), or connections at the listener's; None
    if the inode is neither. unwilling: inodes of clients that have stopped reading on purpose.
    internal: whether an inode is a pipe or Unix socket between the family's own processes.
    """

    def __init__(self, unread: dict[int, int], unwilling: set[int], internal: Callable[[str], bool]):
        self.unread = unread
        self.unwilling = unwilling
        self.internal = internal


def timeout_of(proc: Proc, task: Task) -> float:
    """Seconds after which the call ends by itself: FOREVER if never, 0 if that cannot be known.

    A relative time-out counts from when the call began, which may be long ago; an absolute one from now.
    """
    if task.call not in TIMEOUTS:
        return socket_timeout(proc, task)
    index, kind = TIMEOUTS[task.call]
    value = task.args[index]
    if kind == "ms":
        milliseconds = value & 0xFFFFFFFF
        return FOREVER if milliseconds >= 1 << 31 else milliseconds / 1000
    if value == 0:
        return FOREVER
    try:
        seconds = proc.timespec(task.pid, value)
    except (OSError, OverflowError):
        return 0.0
    return seconds - now_of(task)


def now_of(task: Task) -> float:
    """The clock that an absolute time-out is on, 0 for a relative one: futex(2), clock_nanosleep(2)."""
    if task.call == "futex" and (operation := task.args[1] & 0x7F) in (6, 9, 11, 13):
        realtime = operation == 6 or task.args[1] & FUTEX_CLOCK_REALTIME
        return time.time() if realtime else time.monotonic()
    if task.call == "clock_nanosleep" and task.args[1] & TIMER_ABSTIME:
        return time.monotonic() if task.args[0] & 0xFFFFFFFF == 1 else time.time()
    return 0.0


def socket_timeout(proc: Proc, task: Task) -> float:
    """The same for a call on a socket that may have a time-out of its own, socket(7) SO_RCVTIMEO, SO_SNDTIMEO."""
    options = {**dict.fromkeys((*RECEIVE, *ACCEPT), socket.SO_RCVTIMEO), **dict.fromkeys(SEND, socket.SO_SNDTIMEO)}
    target = proc.descriptors(task.pid).get(task.descriptor, "")
    if task.call not in options or not target.startswith("socket:["):
        return FOREVER
    try:
        return proc.socket_timeout(task.pid, task.descriptor, options[task.call]) or FOREVER
    except OSError:
        return 0.0


def only_we_could_wake(proc: Proc, task: Task, sockets: Sockets, horizon: float) -> bool:
    """Whether nothing but an act of ours ends the call in which this thread sleeps.

    horizon: seconds. A time-out that is sure to come later than that counts as none, since the
    deadline comes first.
    """
    call = task.call
    if call is None or not task.args:
        return False
    if call == "futex" and task.args[1] & 0x7F not in FUTEX_WAITS:
        return False
    if timeout_of(proc, task) <= horizon:
        return False
    if call in TIMEOUTS:
        return True
    if call in ("wait4", "waitid", "flock"):
        return True
    target = proc.descriptors(task.pid).get(task.descriptor, "")
    if call in RECEIVE or call in ACCEPT:
        inode = socket_inode(target)
        if inode in sockets.unread:
            return sockets.unread[inode] == 0
        return sockets.internal(target)
    if call in SEND:
        receivers = {socket_inode(target)}
        if call == "splice":
            receivers.add(socket_inode(proc.descriptors(task.pid).get(task.args[2], "")))
        return bool(receivers & sockets.unwilling) or sockets.internal(target)
    # Opening a FIFO sleeps until somebody opens its other end, fifo(7). Nothing else does, for long.
    return call in ("open", "openat") and proc.read(task.pid, "task", task.tid, "wchan") == "wait_for_partner"


def socket_inode(target: str) -> int | None:
    return int(target[8:-1]) if target.startswith("socket:[") else None


def has_timers(proc: Proc, pid: int) -> bool:
    """Whether a timer of the process could wake it: setitimer(2), timer_create(2), timerfd_create(2)."""
    if any(proc.catches(pid, number) for number in TIMERS) or proc.read(pid, "timers"):
        return True
    return any(kind in target for target in proc.descriptors(pid).values() for kind in TIMER_DESCRIPTORS)


def frozen(proc: Proc, task: Task) -> bool:
    """A frozen cgroup's threads look asleep."""
    return "freez" in proc.read(task.pid, "task", task.tid, "wchan")


class Prover:
    """Watches one family while somebody waits for it. `check` says why it is stuck, or ""."""

    def __init__(self, proc: Proc, family: Callable[[], dict[int, Process]], started: float):
        self.proc = proc
        self.family = family
        self.started = started
        self.last: Look | None = None
        self.demand()
        self.at_rest = False  # the last proof was one of sleep, not of going round
        self.sights = Sights(proc)
        self.reset()

    def demand(self, turns: float = 1.0, spin: float | None = None) -> None:
        """How much of TURNS and of SPIN (the same if not given) make a server one that goes round."""
        self.turns, self.spin = TURNS * turns, SPIN * (turns if spin is None else spin)

    def reset(self) -> None:
        """Something that matters has changed: turns and CPU time count from here."""
        self.base: dict[tuple[int, int], Task] = {}
        self.cpu_base: dict[int, float] = {}

    def check(self, sockets: Callable[[], Sockets | None], *, now: float, patience: float) -> str:
        """sockets() is asked only if it matters; None from it means that something is under way."""
        before, self.last = self.last, look(self.proc, self.family)
        self.sights.note(now, self.last.tasks)
        for key, task in self.last.tasks.items():
            self.base.setdefault(key, task)
        for pid, process in self.last.processes.items():
            self.cpu_base.setdefault(pid, process.cpu)
        if before is None or before.tasks.keys() != self.last.tasks.keys() or not self.last.tasks:
            return ""
        sleeping = self.last.asleep_since(before)
        rounds = {key for key in self.last.tasks if key not in sleeping}
        tired = {key for key in rounds if self.goes_round(key)}
        if tired != rounds:
            # A thread that napped during both looks may still be one that goes round.
            return ""
        facts = sockets()
        if facts is None:
            return ""
        horizon = patience + (now - self.started)
        for key in sleeping:
            task = self.last.tasks[key]
            bound = only_we_could_wake(self.proc, task, facts, horizon) and not frozen(self.proc, task)
            if not bound:
                if not self.goes_round(key):
                    return ""
                tired.add(key)
        if any(has_timers(self.proc, pid) for pid in self.last.processes) and not tired:
            return ""
        # What was read of descriptors, sockets and time-outs since the last look is true of these sleepers
        # only if they still sleep: a third look tells.
        after = look(self.proc, self.family)
        if after.tasks.keys() != self.last.tasks.keys() or not sleeping <= after.asleep_since(self.last):
            return ""
        return self.explain(tired)

    def goes_round(self, key: tuple[int, int]) -> bool:
        task, base = self.last.tasks[key], self.base[key]
        spun = self.last.processes[task.pid].cpu - self.cpu_base[task.pid]
        return task.voluntary - base.voluntary >= self.turns or (task.state == "R" and spun >= self.spin)

    def explain(self, tired: set[tuple[int, int]]) -> str:
        self.at_rest = not tired
        if not tired:
            return (
                "the kernel shows every thread of the server asleep in a call that only a client could end "
                "(or a time-out far off); nothing is on its way to it, and none has run between two looks"
            )
        turns = max(self.last.tasks[key].voluntary - self.base[key].voluntary for key in tired)
        spun = sum(self.last.processes[pid].cpu - self.cpu_base[pid] for pid in self.last.processes)
        return (
            f"the server kept going round ({turns} turns, {spun:.1f} s of CPU time) "
            "and nothing changed: no socket, descriptor, process or thread"
        )


class Rest:
    """Watches one family until what it had begun is done: every thread sleeps on, or has gone to sleep so
    many times since, or, where it never sleeps, has had CPU time for as many rounds and to tidy up.
    """

    def __init__(self, proc: Proc, family: Callable[[], dict[int, Process]], turns: int):
        self.proc = proc
        self.family = family
        self.turns = turns
        self.last = Look({}, {})
        self.long: set[tuple[int, int]] = set()  # no nap by the time-outs as they were read after the last look
        self.begun: dict[tuple[int, int], tuple[int, float]] = {}

    def check(self) -> bool:
        before, self.last = self.last, look(self.proc, self.family)
        # A time-out that was read after a look is true of that sleep only if it has gone on until the next.
        sleeping = self.long & self.last.asleep_since(before)
        tasks = self.last.tasks.items()
        self.long = {key for key, task in tasks if task.state == "S" and timeout_of(self.proc, task) > NAP}
        for key, task in tasks:
            self.begun.setdefault(key, (task.voluntary, self.last.processes[task.pid].cpu))
        return all(key in sleeping or self.has_gone_on(key) for key in self.last.tasks)

    def has_gone_on(self, key: tuple[int, int]) -> bool:
        task = self.last.tasks[key]
        slept, spent = self.begun[key]
        cpu = self.last.processes[task.pid].cpu
        return task.voluntary >= slept + self.turns or cpu >= spent + 0.15 + self.turns * 0.001


def is_internal(proc: Proc, output_inode: int) -> Callable[[str], bool]:
    """Pipes (but for the one that we drain) and Unix sockets connect the family with itself only."""
    unix: set[str] = set()

    def internal(target: str) -> bool:
        if target.startswith("pipe:["):
            return target != f"pipe:[{output_inode}]"
        if target.startswith("socket:["):
            if not unix:
                unix.update(line.split()[6] for line in proc.read("net", "unix").splitlines()[1:])
            return target[8:-1] in unix
        if target.startswith("/"):
            try:
                return stat.S_ISFIFO(os.stat(target).st_mode)
            except OSError:
                return False
        return False

    return internal
