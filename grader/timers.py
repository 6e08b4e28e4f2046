"""The time-outs that the kernel keeps for a server: how long the calls last in which it sleeps, and what else rings.

They do not follow the clock that is set forward (grader.clock.Clock); so they have to be seen.
"""

import re
import signal
import socket
import sys
import time
from collections.abc import Iterable

from grader.kernel import Proc, Task

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
TIMER_DESCRIPTORS = ("[timerfd]", "[signalfd]", "[io_uring]")
TIMERS = (signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF)
TCP_USER_TIMEOUT = 18  # include/uapi/linux/tcp.h


def timeout_of(proc: Proc, task: Task, unknown: float = 0.0) -> float:
    """Seconds after which the call ends by itself: FOREVER if never, `unknown` if that cannot be known.

    A relative time-out counts from when the call began, which may be long ago; an absolute one from now.
    """
    if task.call not in TIMEOUTS:
        return socket_timeout(proc, task, unknown)
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
        return unknown
    return seconds - now_of(task)


def now_of(task: Task) -> float:
    """The clock that an absolute time-out is on, 0 for a relative one: futex(2), clock_nanosleep(2)."""
    if task.call == "futex" and (operation := task.args[1] & 0x7F) in (6, 9, 11, 13):
        realtime = operation == 6 or task.args[1] & FUTEX_CLOCK_REALTIME
        return time.time() if realtime else time.monotonic()
    if task.call == "clock_nanosleep" and task.args[1] & TIMER_ABSTIME:
        return time.monotonic() if task.args[0] & 0xFFFFFFFF == 1 else time.time()
    return 0.0


def socket_timeout(proc: Proc, task: Task, unknown: float) -> float:
    """The same for a call on a socket that may have a time-out of its own, socket(7) SO_RCVTIMEO, SO_SNDTIMEO."""
    options = {**dict.fromkeys((*RECEIVE, *ACCEPT), socket.SO_RCVTIMEO), **dict.fromkeys(SEND, socket.SO_SNDTIMEO)}
    target = proc.descriptors(task.pid).get(task.descriptor, "")
    if task.call not in options or not target.startswith("socket:["):
        return FOREVER
    try:
        return proc.socket_timeout(task.pid, task.descriptor, options[task.call]) or FOREVER
    except OSError:
        return unknown


def has_timers(proc: Proc, pid: int) -> bool:
    """Whether a timer of the process could wake it: setitimer(2), timer_create(2), timerfd_create(2)."""
    if any(proc.catches(pid, number) for number in TIMERS) or proc.read(pid, "timers"):
        return True
    return any(kind in target for target in proc.descriptors(pid).values() for kind in TIMER_DESCRIPTORS)


def running(proc: Proc, tasks: Iterable[Task], connections: set[int], *, calls: bool = True) -> list[float]:
    """Seconds after which something rings that the kernel keeps time for, as far as it tells.

    The calls in which threads sleep; timer descriptors; TCP_USER_TIMEOUT of the clients' connections (inodes), which
    ends one whose client takes nothing, tcp(7). TCP's keepalive ends none of a client that is alive: its kernel
    answers. Of timer_create(2) only that there is one is told, proc_pid_timers(5), and not when it rings. calls: False,
    and those are left out.
    """
    tasks = list(tasks)
    found = [timeout_of(proc, task) for task in tasks if task.state == "S" and calls]
    for pid in {task.pid for task in tasks}:
        for number, target in proc.descriptors(pid).items():
            if target == "anon_inode:[timerfd]":
                found += timer_descriptor(proc, pid, number)
            elif target.startswith("socket:[") and int(target[8:-1]) in connections:
                found.append(user_timeout(proc, pid, number))
    return [seconds for seconds in found if seconds > 0]


def timer_descriptor(proc: Proc, pid: int, number: int) -> list[float]:
    """What is left until it rings, and what comes after: proc_pid_fdinfo(5)."""
    text = proc.read(pid, "fdinfo", number)
    pairs = re.findall(r"^it_(?:value|interval): \((\d+), (\d+)\)", text, re.M)
    return [int(seconds) + int(nanoseconds) / 1e9 for seconds, nanoseconds in pairs]


def user_timeout(proc: Proc, pid: int, number: int) -> float:
    """Seconds of TCP_USER_TIMEOUT on another process's socket, 0 for none or if we may not ask."""
    try:
        data = proc.socket_option(pid, number, socket.IPPROTO_TCP, TCP_USER_TIMEOUT, 4)
    except OSError:
        return 0.0
    return int.from_bytes(data, sys.byteorder) / 1000
