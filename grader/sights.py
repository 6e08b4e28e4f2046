"""What the threads of a server were doing whenever the waiting loop looked: raw facts, put into words later.

A look costs nothing new: the loop has read the threads already. Only where a thread has moved on is one
link of /proc read, to know which socket a descriptor meant at that moment.
"""

from dataclasses import dataclass, replace

from grader.kernel import Proc, Task

MOST_SIGHTS = 240  # of a check; of more the middle is left out
FIRST, LAST = 10, 2  # the threads that are noted; the others are counted

#: Calls whose first argument is no descriptor.
NO_DESCRIPTOR = {
    *("running", "nanosleep", "clock_nanosleep", "futex", "poll", "ppoll", "select", "pselect6"),
    *("restart_syscall", "wait4", "waitid", "pause", "rt_sigsuspend", "rt_sigtimedwait", "open", "openat"),
}


@dataclass(frozen=True)
class Doing:
    """A thread at a moment. `target` is what its descriptor refers to, as `Proc.descriptors` says it."""

    pid: int
    tid: int
    state: str
    call: str | None
    descriptor: int = -1
    target: str = ""


@dataclass(frozen=True)
class Sight:
    """What looks that found the same found: from the first of them to the last, seconds by time.monotonic()."""

    first: float
    last: float
    doings: tuple[Doing, ...]
    others: int  # threads that are not told of


class Sights:
    """The sights of one check."""

    def __init__(self, proc: Proc):
        self.proc = proc
        self.clear()

    def clear(self) -> None:
        self.seen: list[Sight] = []
        self.known: dict[tuple[int, int], tuple[int, Doing]] = {}  # thread -> its switches, and what it did

    def note(self, now: float, tasks: dict[tuple[int, int], Task]) -> None:
        chosen = list(tasks.values())
        if len(chosen) > FIRST + LAST:
            chosen = chosen[:FIRST] + chosen[-LAST:]
        doings = tuple(map(self.doing, chosen))
        others = len(tasks) - len(chosen)
        if self.seen and (self.seen[-1].doings, self.seen[-1].others) == (doings, others):
            self.seen[-1] = replace(self.seen[-1], last=now)
            return
        if len(self.seen) >= MOST_SIGHTS:
            del self.seen[MOST_SIGHTS // 2 : MOST_SIGHTS // 2 + 20]
        self.seen.append(Sight(now, now, doings, others))

    def doing(self, task: Task) -> Doing:
        """What a thread does; its descriptor is looked up anew only if the thread has run since."""
        switches, before = self.known.get((task.pid, task.tid), (-1, None))
        if before and switches == task.switches and (before.state, before.call) == (task.state, task.call):
            return before
        doing = Doing(task.pid, task.tid, task.state, task.call)
        if task.state != "R" and task.call is not None and task.call not in NO_DESCRIPTOR:
            target = self.proc.descriptor(task.pid, task.descriptor)
            doing = replace(doing, descriptor=task.descriptor, target=target)
        self.known[task.pid, task.tid] = task.switches, doing
        return doing
