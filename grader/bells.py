"""Time-outs that the kernel keeps for a sleeping thread end when the server's clock says that they are due.

The clock that is set forward (grader.clock.Clock) moves no time-out of the kernel. But who sleeps until one can be
told that it has passed: ptrace(2) stops the call, and it returns what it returns then. Where that is not allowed, or
the machine is another, nothing is rung, and what can be waited for has to be.
"""

import ctypes
import errno
import os
import platform
from collections.abc import Iterable

from grader.clock import Clock
from grader.kernel import Proc, Task
from grader.timers import ACCEPT, FOREVER, RECEIVE, SEND, timeout_of
from grader.tracing import DETACH, GETREGS, INTERRUPT, SEIZE, SETREGS, WALL, ptrace

RAX, ORIG_RAX, REGISTERS = 10, 15, 27  # struct user_regs_struct, arch/x86/include/asm/user_64.h
INTERRUPTED = {-errno.EINTR, *range(-516, -511)}  # ERESTARTSYS to ERESTART_RESTARTBLOCK, include/linux/errno.h
SHORT = 0.05  # seconds: what ends sooner comes by itself
#: What a call returns whose time is over. select(2) of descriptors would have to empty its sets too.
PASSED = {
    **dict.fromkeys(("poll", "ppoll", "epoll_wait", "epoll_pwait", "epoll_pwait2", "nanosleep", "clock_nanosleep"), 0),
    **dict.fromkeys(("select", "pselect6"), 0),
    "futex": -errno.ETIMEDOUT,
    **dict.fromkeys((*RECEIVE, *ACCEPT, *SEND), -errno.EAGAIN),
}


class Bells:
    """Of one family. since: when each sleep was first seen, on the server's clock."""

    def __init__(self, proc: Proc, clock: Clock | None):
        self.proc = proc
        self.clock = clock
        self.since: dict[tuple[int, int, int], float] = {}

    def note(self, tasks: Iterable[Task]) -> None:
        now = self.clock.now if self.clock else 0.0
        sleeps = [(task.pid, task.tid, task.switches) for task in tasks if task.state == "S"]
        self.since = {key: self.since.get(key, now) for key in sleeps}

    def ring(self, tasks: Iterable[Task]) -> list[float]:
        """End what is due. Returns the time-outs, in seconds, that are due and could not be ended."""
        left = []
        for task in tasks:
            since = self.since.get((task.pid, task.tid, task.switches))
            if task.state != "S" or since is None or self.clock is None:
                continue
            seconds = timeout_of(self.proc, task)
            if SHORT < seconds < FOREVER and self.clock.now - since >= seconds and not over(task):
                left.append(seconds)
        return left


def over(task: Task) -> bool:
    """Tell this thread that the time of its call is over; False if that cannot be told."""
    of_descriptors = task.call in ("select", "pselect6") and task.args[0] > 0
    if task.call not in PASSED or of_descriptors or platform.machine() != "x86_64":
        return False
    if ptrace(SEIZE, task.tid) < 0:
        return False
    stopped = False
    try:
        ptrace(INTERRUPT, task.tid)
        stopped = os.WIFSTOPPED(os.waitpid(task.tid, WALL)[1])
        registers = (ctypes.c_longlong * REGISTERS)()
        if not stopped or ptrace(GETREGS, task.tid, registers) < 0:
            return False
        if registers[RAX] in INTERRUPTED:  # else it has ended by itself
            registers[RAX], registers[ORIG_RAX] = PASSED[task.call], -1
            ptrace(SETREGS, task.tid, registers)
        return True
    except ChildProcessError:
        return False
    finally:
        if stopped:
            ptrace(DETACH, task.tid)
