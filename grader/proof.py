"""Proof that a server is stuck: that no amount of waiting will help, because only we could wake it.

A look at the family notes every thread's state and how often it was switched out. If two looks, one
after the other, find every thread asleep and none switched out in between, then there was a moment at
which all of them slept at once. What each sleeps on is read after the second look; a third one finds them
still asleep, so that nothing was read of a thread that had gone on. If each sleeps in a call that time
alone does not end, and nothing that we sent is still under way in the kernel, then nothing but a further
act of ours can wake any of them.

A thread that goes round in a loop cannot be proven asleep: `grader.rounds` says when it is called stuck. What
can be neither is left to the deadline.
"""

import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass

from grader.kernel import TICK, Proc, Process, Task
from grader.rounds import Ahead, Rounds
from grader.sights import Sights
from grader.timers import ACCEPT, FOREVER, RECEIVE, SEND, TIMEOUTS, has_timers, timeout_of

NAP = 0.05  # seconds; a sleep with a shorter time-out is a round of a loop
FUTEX_WAITS = (0, 6, 9, 11, 13)  # FUTEX_WAIT, LOCK_PI, WAIT_BITSET, WAIT_REQUEUE_PI, LOCK_PI2


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


def only_we_could_wake(proc: Proc, task: Task, sockets: Sockets, horizon: float, *, doubtful: bool = False) -> bool:
    """Whether nothing but an act of ours ends the call in which this thread sleeps.

    horizon: seconds. A time-out that is sure to come later than that counts as none, since the
    deadline comes first. doubtful: what this machine does not tell, a call or its time-out, is so too: no verdict
    rests on it.
    """
    call = task.call
    if call is None or not task.args:
        return doubtful and call is None
    if call == "futex" and task.args[1] & 0x7F not in FUTEX_WAITS:
        return False
    if timeout_of(proc, task, FOREVER if doubtful else 0.0) <= horizon:
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


def frozen(proc: Proc, task: Task) -> bool:
    """A frozen cgroup's threads look asleep."""
    return "freez" in proc.read(task.pid, "task", task.tid, "wchan")


class Prover:
    """Watches one family while somebody waits for it. `check` says why it is stuck, or ""."""

    def __init__(
        self,
        proc: Proc,
        family: Callable[[], dict[int, Process]],
        started: float,
        clock: Ahead | None = None,
    ):
        self.proc = proc
        self.family = family
        self.started = started
        self.last: Look | None = None
        self.rounds = Rounds(proc, clock)  # what is seen of those who do not sleep
        self.at_rest = False  # the last proof was one of sleep, not of going round
        self.doubtful = False  # what is not told counts as what is likely
        self.lasting = False
        self.sights = Sights(proc)

    def demand(
        self,
        turns: float = 1.0,
        spin: float | None = None,
        *,
        verdict: bool = True,
        doubtful: bool = False,
        lasting: bool = False,
    ) -> None:
        """How much of TURNS and of SPIN (the same if not given) make a server one that goes round, and whether
        a verdict rests on it. doubtful: none does, and what the machine does not tell is not waited for. lasting: who
        sleeps longer than our patience is there to stay, however much of it has passed: on a slow machine, all."""
        self.doubtful, self.lasting = doubtful, lasting
        self.rounds.demand(turns, turns if spin is None else spin, verdict)

    def reset(self) -> None:
        """Something that matters has changed: turns and CPU time count from here."""
        self.rounds.reset()

    def check(self, sockets: Callable[[], Sockets | None], *, now: float, patience: float) -> str:
        """sockets() is asked only if it matters; None from it means that something is under way."""
        before, self.last = self.last, look(self.proc, self.family)
        self.sights.note(now, self.last.tasks)
        self.rounds.note(now, self.last.tasks)
        if before is None or before.tasks.keys() != self.last.tasks.keys() or not self.last.tasks:
            return ""
        sleeping = self.last.asleep_since(before)
        awake = {key for key in self.last.tasks if key not in sleeping}
        tired = {key for key in awake if self.rounds.tired(key)}
        if tired != awake:
            # A thread that napped during both looks may still be one that goes round.
            return ""
        facts = sockets()
        if facts is None or not all(self.rounds.tired(key, serving=bool(facts.unread)) for key in tired):
            return ""
        up = time.clock_gettime(time.CLOCK_BOOTTIME)
        for key in sleeping:
            task = self.last.tasks[key]
            # It has slept no longer than its process has been there.
            age = min(now - self.started, up - self.last.processes[task.pid].started * TICK)
            horizon = patience if self.lasting else patience + age
            bound = only_we_could_wake(self.proc, task, facts, horizon, doubtful=self.doubtful)
            if not bound or frozen(self.proc, task):
                if not self.rounds.tired(key):
                    return ""
                tired.add(key)
        if any(has_timers(self.proc, pid) for pid in self.last.processes) and not tired:
            return ""
        # What was read of descriptors, sockets and time-outs since the last look is true of these sleepers
        # only if they still sleep: a third look tells.
        after = look(self.proc, self.family)
        if after.tasks.keys() != self.last.tasks.keys() or not sleeping <= after.asleep_since(self.last):
            return ""
        self.at_rest = not tired
        return self.rounds.verdict(tired) if tired else ASLEEP


ASLEEP = (
    "the kernel shows every thread of the server asleep in a call that only a client could end "
    "(or a time-out far off); nothing is on its way to it, and none has run between two looks"
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
        self.long = {key for key, task in tasks if task.state == "S" and timeout_of(self.proc, task, FOREVER) > NAP}
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
                unix.update(map(str, proc.unix_sockets()))
            return target[8:-1] in unix
        if target.startswith("/"):
            try:
                return stat.S_ISFIFO(os.stat(target).st_mode)
            except OSError:
                return False
        return False

    return internal
