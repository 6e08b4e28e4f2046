"""What threads and children leave in the kernel when they have come and gone between two looks.

A process counts the page faults and the CPU time of all its threads, also of those that have ended; each living
thread counts its own. The difference is what the dead have spent. Both only grow, so the order of reading makes a
bound of it: the process first and then its threads, and the truth is as much or more; the other way round, as much or
less. If the lower bound now is above the upper bound of before, a thread has ended in between. (One that ended at once,
without a fault or a sleep, may leave nothing: the CPU time is brought forward when a thread sleeps or a tick comes.)

A child that was waited for adds its faults to its parent's, getrusage(2) RUSAGE_CHILDREN. One that nobody needed to
wait for, because SIGCHLD is ignored, adds nothing and leaves no trace. One that forked twice does: the one between
was waited for, and the orphan, when it ends, stays a zombie of the grader's.

That nobody has come and gone is proven by the last number that the kernel gave to a process or a thread: it has not
changed, or whoever was given one since was seen alive, and is a stranger.
"""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from grader.kernel import Proc, Process, Spent

LOOKS = 3  # at a counter: a server that runs meanwhile makes a bound worse


class Traces:
    """What one process had behind it when this was made; `threads` and `children`: what has gone since."""

    def __init__(self, proc: Proc, pid: int, family: dict[int, Process]):
        self.proc = proc
        self.pid = pid
        self.base = [dead for _ in range(LOOKS) if (dead := self.dead(lower=False))]
        self.ended_before = ended(family, self.pid)
        self.children_base = proc.spent_by_children(pid) + sum(
            proc.spent_by_the_dead(pid) for pid, _ in self.ended_before
        )

    def dead(self, *, lower: bool) -> Spent | None:
        """A bound of what the dead threads have spent, from below or from above; None if it cannot be known now."""
        all_of_them = self.proc.spent(self.pid) if lower else None
        living = self.proc.spent_by_living(self.pid)
        all_of_them = all_of_them if lower else self.proc.spent(self.pid)
        if not all_of_them or not living:
            return None
        exact = all_of_them.nanoseconds is not None and living.nanoseconds is not None
        nanoseconds = all_of_them.nanoseconds - living.nanoseconds if exact else None  # type: ignore[operator]
        return Spent(all_of_them.faults - living.faults, nanoseconds)

    def threads(self) -> bool:
        """Whether it is proven that a thread has ended since."""
        found = [dead for _ in range(LOOKS) if (dead := self.dead(lower=True))]
        if not found or not self.base:
            return False
        if max(dead.faults for dead in found) > min(dead.faults for dead in self.base):
            return True
        before = [dead.nanoseconds for dead in self.base if dead.nanoseconds is not None]
        now = [dead.nanoseconds for dead in found if dead.nanoseconds is not None]
        return bool(before and now) and max(now) > min(before)

    def children(self, family: dict[int, Process]) -> int:
        """How many processes, at least, have ended since: the zombies, and one if any was waited for."""
        waited_for = self.proc.spent_by_children(self.pid) > self.children_base
        return len(ended(family, self.pid) - self.ended_before) + waited_for


def ended(family: dict[int, Process], pid: int) -> set[tuple[int, int]]:
    """The zombies of the family of `pid`, and its dead orphans, whom nobody waits for."""
    return {(p.pid, p.started) for p in family.values() if p.state in "ZX" and p.pid != pid}


@dataclass(frozen=True)
class Others:
    """Everybody in a family but one process, or one thread, as they are at a moment; equal if none of them has run
    meanwhile, none has come and stayed, and none has gone and left a trace."""

    threads: dict[tuple[int, int], tuple[str, ...]]
    ended: set[tuple[int, int]]
    children: int
    asleep: bool = field(compare=False)  # all of them, and the one who is left out


def others(proc: Proc, family: dict[int, Process], pid: int, tid: int = 0) -> Others:
    """All but this process, or but this thread of it. A child goes out of the family before it is counted as gone."""
    everybody = {
        (each, thread): proc.counters(each, thread)
        for each, process in family.items()
        if process.state not in "ZX"
        for thread in proc.numbers(each, "task")
    }
    asleep = all(any(line.startswith("State:\tS") for line in each) for each in everybody.values())
    seen = {key: each for key, each in everybody.items() if key[0] != pid or (tid and key[1] != tid)}
    return Others(seen, ended(family, pid), proc.spent_by_children(pid), asleep)


class Newcomers:
    """To whom the kernel has given numbers since this was made: only those tell that were seen while they lived."""

    def __init__(self, proc: Proc, family: Callable[[], dict[int, Process]], adopter: int = 0):
        """adopter: the process whose children the family's orphans become, if that is not the grader."""
        self.proc = proc
        self.unknown: set[int] = set()
        self.ours = False  # one of them is of the family
        self.last = proc.last_pid()
        there = {number for number in proc.numbers() if number <= self.last}  # later ones are to be judged
        self.family = set(family())
        self.strangers = there - self.family - {os.getpid(), adopter}  # an orphan's parent is no stranger

    def note(self) -> None:
        now = self.proc.last_pid()
        self.unknown |= set(range(self.last + 1, now + 1)) if now >= self.last else {0}
        self.last = now
        for number in sorted(self.unknown - {0}):
            process, parent = self.proc.kin(number)
            if process in self.strangers or (process == number and parent in self.strangers):
                self.strangers.add(number)
                self.unknown.discard(number)
            self.ours = self.ours or process in self.family or parent in self.family

    def nobody(self) -> bool:
        """Whether it is proven that nobody had come to the family when they were noted last."""
        return not self.unknown and not self.ours


def last_pid_tells(proc: Proc) -> bool:
    """Whether the last number given is told as it is: some file systems (lxcfs) make it up or tell it late."""
    told: list[int] = []
    for _ in range(LOOKS * 3):  # another may get a number at that moment
        thread = threading.Thread(target=lambda: told.append(proc.last_pid()))
        thread.start()
        thread.join()
        if told[-1] == thread.native_id:
            return True
    return False
