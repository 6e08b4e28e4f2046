"""ptrace(2), as far as it is needed: to stop a thread for a moment, and to let go of who has asked to be traced."""

import ctypes
import os
from contextlib import suppress

from grader.kernel import LIBC, Proc

SEIZE, INTERRUPT, DETACH, GETREGS, SETREGS = 0x4206, 0x4207, 17, 12, 13  # include/uapi/linux/ptrace.h
WALL = 0x40000000  # wait(2) __WALL: threads too


def ptrace(what: int, tid: int, data: object = None) -> int:
    """Returns what ptrace(2) does, -1 for an error. data: a buffer, or a number."""
    LIBC.ptrace.restype = ctypes.c_long
    given = ctypes.c_long(data) if isinstance(data, int) else data
    return int(LIBC.ptrace(ctypes.c_long(what), ctypes.c_long(tid), None, given))


def let_go(proc: Proc, pid: int) -> None:
    """Detach from every thread of a child that has made us its tracer (PTRACE_TRACEME): nobody has asked us.

    A traced thread stops at each signal until its tracer lets it go on, and what remains of it when it has ended keeps
    its process a zombie until the tracer has waited for it.
    """
    for tid in proc.numbers(pid, "task"):
        if f"\nTracerPid:\t{os.getpid()}\n" in proc.read(pid, "task", tid, "status") and not (tid == pid and dead(pid)):
            with suppress(ChildProcessError):
                _, status = os.waitpid(tid, WALL | os.WNOHANG)
                if os.WIFSTOPPED(status):
                    ptrace(DETACH, tid, os.WSTOPSIG(status))


def dead(pid: int) -> bool:
    """Whether a child has ended and can be waited for; one that is traced and has stopped has not."""
    try:
        found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return found is not None and found.si_code in (os.CLD_EXITED, os.CLD_KILLED, os.CLD_DUMPED)
