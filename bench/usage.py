"""Processor time: a server's, ours, and what others use of the processors that are measured on.

A server's time is that of all its processes, and of the children that they have waited for, proc_pid_stat(5):
exact to a clock tick for each process, mostly 10 ms. A child whose end nobody waits for (SIGCHLD ignored) is
missing there; its time then shows as that of others, and the measurement is marked.
"""

import resource
import time
from dataclasses import dataclass

from grader.kernel import TICK, Proc
from grader.launch import Launch


@dataclass(frozen=True)
class Processors:
    """What /proc/stat says of some processors, summed: seconds since boot.

    `apart`: in interrupts, where the kernel measures them apart (CONFIG_IRQ_TIME_ACCOUNTING). Where it does not,
    whoever is interrupted pays, and there is no time of hard interrupts at all.
    """

    total: float
    idle: float
    apart: float


@dataclass(frozen=True)
class Usage:
    """One moment: the clock, and seconds of processor time until then."""

    time: float
    server: float
    load: float
    own: float
    processors: Processors | None


def family_seconds(proc: Proc, pids: list[int]) -> float:
    """utime, stime, cutime and cstime of these processes, fields 14 to 17 of /proc/PID/stat."""
    ticks = 0
    for pid in pids:
        fields = proc.read(pid, "stat").rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))
    return ticks * TICK


def processors(proc: Proc, numbers: set[int]) -> Processors | None:
    """None where the kernel does not say it of all of them."""
    rows = {}
    for line in proc.read("stat").splitlines():
        name, *columns = line.split()
        if name.startswith("cpu") and name != "cpu":
            rows[int(name[3:])] = [int(column) * TICK for column in columns[:8]]
    if not numbers <= rows.keys():
        return None
    _, _, _, idle, waiting, hard, soft, _ = (sum(column) for column in zip(*(rows[n] for n in numbers), strict=True))
    measured_apart = any(row[5] for row in rows.values())
    total = sum(sum(rows[n]) for n in numbers)
    return Processors(total, idle + waiting, hard + soft if measured_apart else 0.0)


def usage(launch: Launch, numbers: set[int]) -> Usage:
    """Now, for a server and the load that has just ended or is about to begin."""
    mine, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return Usage(
        time.monotonic(),
        family_seconds(launch.proc, list(launch.members())),
        children.ru_utime + children.ru_stime,
        mine.ru_utime + mine.ru_stime,
        processors(launch.proc, numbers),
    )


def foreign(before: Usage, after: Usage, count: int) -> float | None:
    """What neither the server nor wrk nor we used of these processors, as a share of one; None if that is not known.

    By their idle time, which the kernel measures; the time that they were busy is only sampled.
    """
    if not before.processors or not after.processors or after.processors.total <= before.processors.total:
        return None
    wall = after.time - before.time
    ours = after.server - before.server + after.load - before.load + after.own - before.own
    idle = after.processors.idle - before.processors.idle
    apart = after.processors.apart - before.processors.apart
    return max(0.0, (count * wall - idle - apart - ours) / wall)
