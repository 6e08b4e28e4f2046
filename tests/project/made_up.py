"""Made-up /proc trees."""

import os
import struct
from pathlib import Path

from grader.kernel import SYSCALLS, Proc

NUMBERS = {name: number for number, name in SYSCALLS.items()}


class MadeUpProc(Proc):
    """A made-up tree has no sockets to ask for time-outs: `timeouts` has them, by descriptor."""

    def __init__(self, root):
        super().__init__(root)
        self.timeouts = {}
        self.clock = None  # nanoseconds, or None: not to be had

    def socket_timeout(self, pid, descriptor, option):
        if isinstance(seconds := self.timeouts.get(descriptor, 0.0), Exception):
            raise seconds
        return seconds

    def cpu_clock(self, pid):
        return self.clock


class Tree:
    """A /proc tree in a folder. Each method writes what the kernel would show at that moment."""

    def __init__(self, root):
        self.root = Path(root)
        self.root.mkdir(parents=True, exist_ok=True)

    def write(self, text, *names):
        path = self.root.joinpath(*map(str, names))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def process(self, pid, *, name="python", state="S", parent=1, session=None, ticks=0, caught=0, started=100):
        """`/proc/PID/stat` and the signal masks of `/proc/PID/status`. `caught`: signal numbers with handlers."""
        session = pid if session is None else session
        numbers = [parent, session, session, 0, -1, 4194304, 0, 0, 0, 0, ticks, 0, 0, 0, 20, 0, 1, 0, started, 0]
        self.write(f"{pid} ({name}) {state} {' '.join(map(str, numbers))}\n", pid, "stat")
        mask = sum(1 << (number - 1) for number in caught or ())
        self.write(f"Name:\t{name}\nState:\t{state} (made up)\nSigCgt:\t{mask:016x}\n", pid, "status")
        return self

    def spent(self, pid, faults, *, tid=None, children=0, nanoseconds=None):
        """The counters of a process, or of a thread: page faults, those of children, nanoseconds of CPU time."""
        numbers = [1, pid, pid, 0, -1, 0, faults, children, 0, 0, 0, 0, 0, 0, 20, 0, 1, 0, 100, 0]
        names = (pid,) if tid is None else (pid, "task", tid)
        self.write(f"{pid} (x) S {' '.join(map(str, numbers))}\n", *names, "stat")
        if tid is not None and nanoseconds is not None:
            self.write(f"{nanoseconds} 0 1\n", *names, "schedstat")
        return self

    def worked(self, pid, user, system=0.0, *, faults=0, read=0, tid=None):
        """Seconds of CPU time and page faults in a thread's `stat`; bytes read in its process's `io`."""
        ticks = [round(seconds * os.sysconf("SC_CLK_TCK")) for seconds in (user, system)]
        numbers = [1, pid, pid, 0, -1, 4194304, faults, 0, 0, 0, *ticks, 0, 0, 20, 0, 1, 0, 100, 0]
        self.write(f"{pid} (python) R {' '.join(map(str, numbers))}\n", pid, "task", tid or pid, "stat")
        self.write(f"rchar: {read}\nwchar: 99\nsyscr: 9\n", pid, "io")
        return self

    def thread(self, pid, call, *args, tid=None, state="S", voluntary=7, involuntary=1, wchan="0"):
        """A thread in a system call by its name or number; call None: the kernel does not let us see."""
        tid = pid if tid is None else tid
        status = f"Name:\tx\nState:\t{state} (made up)\nThreads:\t1\n"
        status += f"voluntary_ctxt_switches:\t{voluntary}\nnonvoluntary_ctxt_switches:\t{involuntary}\n"
        self.write(status, pid, "task", tid, "status")
        self.write(wchan, pid, "task", tid, "wchan")
        if call is None:
            line = ""
        elif call in ("running", "-1"):
            line = "running\n" if call == "running" else "-1 0x7ffc 0x7f00\n"
        else:
            values = [*args, *[0] * (6 - len(args))]
            number = NUMBERS.get(call, call)
            line = f"{number} {' '.join(map(hex, values))} 0x7ffc00000000 0x7f0000000000\n"
        self.write(line, pid, "task", tid, "syscall")
        return self

    def descriptor(self, pid, number, target, info=""):
        path = self.root / str(pid) / "fd" / str(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        os.symlink(target, path)
        self.write(info or "pos:\t0\nflags:\t02\nmnt_id:\t9\n", pid, "fdinfo", number)
        return self

    def memory(self, pid, address, seconds):
        """A struct timespec at an address of a process's memory (the file is sparse)."""
        path = self.root / str(pid) / "mem"
        with open(path, "r+b" if path.exists() else "w+b") as file:
            file.seek(address)
            file.write(struct.pack("qq", int(seconds), int(seconds % 1 * 1e9)))
        return self
