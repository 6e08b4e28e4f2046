"""What the kernel says of processes and sockets: facts, no opinions.

`Proc` reads a /proc tree (proc(5)); its root is a parameter, so that a made-up tree tests it.
`sockets()` finds TCP sockets by netlink (sock_diag(7)), which costs microseconds a look-up, or,
where netlink is closed to us, by `/proc/net/tcp`, which costs milliseconds and says the same.
"""

import ctypes
import errno
import functools
import os
import platform
import re
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# TCP states as the kernel numbers them, include/net/tcp_states.h.
ESTABLISHED, SYN_SENT, SYN_RECV, FIN_WAIT1, FIN_WAIT2, TIME_WAIT = 1, 2, 3, 4, 5, 6
CLOSE, CLOSE_WAIT, LAST_ACK, LISTEN, CLOSING = 7, 8, 9, 10, 11
STATE_NAMES = (
    "?",
    *("ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT"),
    *("CLOSE", "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING"),
)

# System call numbers, arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h:
# only those a server can sleep in. Elsewhere a number stays a number, and nothing is proven from it.
SYSCALLS = {
    "x86_64": {
        0: "read", 1: "write", 2: "open", 3: "close", 7: "poll", 19: "readv", 20: "writev", 23: "select", 34: "pause",
        35: "nanosleep", 40: "sendfile", 42: "connect", 43: "accept", 44: "sendto", 45: "recvfrom",
        46: "sendmsg", 47: "recvmsg", 61: "wait4", 72: "fcntl", 73: "flock", 128: "rt_sigtimedwait",
        130: "rt_sigsuspend", 202: "futex", 219: "restart_syscall", 230: "clock_nanosleep", 232: "epoll_wait",
        247: "waitid", 257: "openat", 270: "pselect6", 271: "ppoll", 275: "splice", 281: "epoll_pwait",
        288: "accept4", 299: "recvmmsg", 441: "epoll_pwait2",
    },
    "aarch64": {
        22: "epoll_pwait", 25: "fcntl", 32: "flock", 56: "openat", 57: "close", 63: "read", 64: "write", 65: "readv",
        66: "writev", 71: "sendfile", 72: "pselect6", 73: "ppoll", 76: "splice", 95: "waitid", 98: "futex",
        101: "nanosleep", 115: "clock_nanosleep", 128: "restart_syscall", 133: "rt_sigsuspend",
        137: "rt_sigtimedwait", 202: "accept", 203: "connect", 206: "sendto", 207: "recvfrom", 211: "sendmsg",
        212: "recvmsg", 242: "accept4", 243: "recvmmsg", 260: "wait4", 441: "epoll_pwait2",
    },
}.get(platform.machine(), {})  # fmt: skip

SHORT = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)  # it is we who lack something, and nothing is absent
PIDFD_GETFD = 438  # on every architecture
LIBC = ctypes.CDLL(None, use_errno=True)
#: A line of /proc/net/unix up to the inode; behind it stands a path, which may hold line ends.
UNIX = re.compile(
    r"^[0-9a-f]{8,}: [0-9A-F]{8} [0-9A-F]{8} [0-9A-F]{8} [0-9A-F]{4} [0-9A-F]{2} +(\d{1,10})(?= |$)", re.M
)
TICK = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    """One line of /proc/PID/stat: identity, kinship, state letter and CPU time used (seconds)."""

    pid: int
    name: str
    state: str
    parent: int
    session: int
    cpu: float
    started: int  # clock ticks after boot: with the pid, it tells a process from a later namesake


@dataclass(frozen=True)
class Spent:
    """What threads have spent, in counters that only grow: page faults, and nanoseconds of CPU time.

    Nanoseconds are None where the kernel does not tell them exactly.
    """

    faults: int
    nanoseconds: int | None


@dataclass(frozen=True)
class Watch:
    """A line of an epoll's watch list: the number it was told, its event mask, the inode that it watches."""

    number: int
    events: int
    inode: int


@dataclass(frozen=True)
class Task:
    """A thread at one moment: its state letter, how often it was switched out, and the call it is in."""

    pid: int
    tid: int
    state: str
    voluntary: int  # it went to sleep by itself
    switches: int  # voluntary or not
    call: str | None  # name of the system call; "running"; None where the kernel does not tell
    args: tuple[int, ...] = ()

    @property
    def descriptor(self) -> int:
        return self.args[0] if self.args else -1


def rows(text: str) -> list[str]:
    """The lines of a file of /proc: names in it may hold whatever else str.splitlines() takes for the end of one."""
    return [line for line in text.split("\n") if line]


#: When a process was started, and its threads with how often each has been switched out.
Pulse = tuple[tuple[str, ...], frozenset[tuple[int, int]]]
MANY = 30  # descriptors: fewer are read sooner than it is found out whether they have changed


class Proc:
    """A /proc tree. What has vanished between two looks reads as absent, never as an error."""

    def __init__(self, root: str | Path = "/proc", owner: int = 0):
        """owner: whose processes are asked about, if we are root and perhaps without CAP_SYS_PTRACE."""
        self.root = str(root)
        self.owner = owner
        self.tables: dict[
            int, tuple[Pulse | None, dict[int, str]]
        ] = {}  # of descriptors, long ones, and when they were read

    @contextmanager
    def asking(self) -> Iterator[None]:
        """As far as files go we are their owner: that opens what root without CAP_SYS_PTRACE may not see.

        By setfsuid(2): it is this thread's alone, and lets nobody signal or trace us: ptrace(2), PTRACE_MODE_FSCREDS.
        """
        if not self.owner:
            yield
            return
        LIBC.setfsgid(self.owner)
        LIBC.setfsuid(self.owner)
        try:
            yield
        finally:
            LIBC.setfsuid(os.geteuid())
            LIBC.setfsgid(os.getegid())

    def data(self, *names: object) -> bytes:
        """The bytes of a file; none if it cannot be read. Raises OSError if it is we who can open no more files."""
        try:
            with self.asking(), open("/".join((self.root, *map(str, names))), "rb") as file:
                return file.read()
        except OSError as error:
            if error.errno in SHORT:
                raise
            return b""

    def read(self, *names: object) -> str:
        return self.data(*names).decode("utf-8", "replace")

    def lines(self, *names: object) -> list[str]:
        return rows(self.read(*names))

    def numbers(self, *names: object) -> list[int]:
        try:
            with self.asking():
                entries = os.listdir("/".join((self.root, *map(str, names))))
        except OSError as error:
            if error.errno in SHORT:
                raise
            return []
        return sorted(int(entry) for entry in entries if entry.isdigit())

    def process(self, pid: int) -> Process | None:
        line = self.read(pid, "stat")
        name_end = line.rfind(")")  # a name may hold spaces and brackets
        fields = line[name_end + 2 :].split()
        if len(fields) < 20:
            return None
        name = line[line.find("(") + 1 : name_end]
        cpu = (int(fields[11]) + int(fields[12])) * TICK
        return Process(pid, name, self.state(pid, fields[0]), int(fields[1]), int(fields[3]), cpu, int(fields[19]))

    def state(self, pid: int, main: str) -> str:
        """The state letter of a process: its main thread's; if only that has ended, the one of another thread."""
        if main == "Z":
            for tid in self.numbers(pid, "task"):
                letter = self.read(pid, "task", tid, "stat").rpartition(")")[2].split()[:1]
                if letter and letter[0] not in "ZX":
                    return letter[0]
        return main

    def listed(self) -> dict[int, int]:
        """The pids there are, and the inode number of each one's folder: another when the pid is another process's."""
        with os.scandir(self.root) as entries:
            return {int(entry.name): entry.inode() for entry in entries if entry.name.isdigit()}

    def processes(self, strangers: set[tuple[int, int]] | None = None) -> dict[int, Process]:
        """All processes but those in `strangers`, each a pid and an inode as `listed` has them.

        Added to these are children of strangers, but for our own: so that a look does not cost more with each process
        that somebody else makes meanwhile. An orphan of ours is never a child of theirs (grader.launch).
        """
        listed = self.listed()
        strangers = set() if strangers is None else strangers
        strangers.intersection_update(listed.items())
        parents = {pid for pid, _ in strangers} - {os.getpid()}
        found = (self.process(pid) for pid, inode in sorted(listed.items()) if (pid, inode) not in strangers)
        processes = {process.pid: process for process in found if process}
        strangers.update((pid, listed[pid]) for pid, process in processes.items() if process.parent in parents)
        return processes

    def started_before(self, moment: int) -> set[tuple[int, int]]:
        """The processes that started before this clock tick, as `processes` takes them."""
        listed = self.listed()
        return {(p.pid, listed[p.pid]) for p in self.processes().values() if p.started < moment and p.pid in listed}

    def tasks(self, pid: int) -> list[Task]:
        found = (self.task(pid, tid) for tid in self.numbers(pid, "task"))
        return [task for task in found if task]

    def task(self, pid: int, tid: int) -> Task | None:
        state, voluntary, involuntary = "", 0, 0
        for line in self.lines(pid, "task", tid, "status"):
            key, _, value = line.partition(":")
            if key == "State":
                state = value.split()[0]
            elif key == "voluntary_ctxt_switches":
                voluntary = int(value)
            elif key == "nonvoluntary_ctxt_switches":
                involuntary = int(value)
        if not state:
            return None
        call, args = self.call(pid, tid)
        return Task(pid, tid, state, voluntary, voluntary + involuntary, call, args)

    def call(self, pid: int, tid: int) -> tuple[str | None, tuple[int, ...]]:
        """The system call a thread is in and its six arguments, proc_pid_syscall(5)."""
        fields = self.read(pid, "task", tid, "syscall").split()
        if not fields:
            return None, ()
        if fields[0] == "running":
            return "running", ()
        number = int(fields[0])
        return SYSCALLS.get(number, f"system call {number}"), tuple(int(field, 16) for field in fields[1:7])

    def descriptors(self, pid: int) -> dict[int, str]:
        """What each descriptor of a process refers to: `socket:[INODE]`, `anon_inode:[eventpoll]`, a path.

        A long table is not read again as long as all threads of its process have slept on.
        """
        kept = self.tables.pop(pid, None)
        before = self.pulse(pid) if kept else None
        after = before
        if kept and before and kept[0] == before:
            table = kept[1]
        else:
            table = self.read_descriptors(pid)
            after = self.pulse(pid) if before else None
        if len(table) > MANY:
            self.tables[pid] = (before if before == after else None), table
        return table

    def pulse(self, pid: int) -> Pulse | None:
        """The same twice, and not None: no thread of the process has run in between, as in proof.Look.asleep_since."""
        tasks = self.tasks(pid)
        if not tasks or any(task.state not in "ST" for task in tasks):
            return None
        return tuple(self.stat(pid)[19:20]), frozenset((task.tid, task.switches) for task in tasks)

    def read_descriptors(self, pid: int) -> dict[int, str]:
        table: dict[int, str] = {}
        for folder in self.folders_of_descriptors(pid):
            numbers = self.numbers(folder)
            with self.asking():
                for number in numbers:
                    try:
                        table[number] = os.readlink(f"{self.root}/{folder}/{number}")
                    except OSError:
                        continue
            if table:
                break
        return table

    def folders_of_descriptors(self, pid: int) -> Iterator[str]:
        """Where /proc lists them; of a process whose main thread alone has ended, at its other threads."""
        yield f"{pid}/fd"
        if self.stat(pid)[:1] == ["Z"]:
            yield from (f"{pid}/task/{tid}/fd" for tid in self.numbers(pid, "task") if tid != pid)

    def descriptor(self, pid: int, number: int) -> str:
        """The same for one descriptor; "" if it is not open."""
        for folder in self.folders_of_descriptors(pid):
            try:
                with self.asking():
                    return os.readlink(f"{self.root}/{folder}/{number}")
            except OSError:
                continue
        return ""

    def description(self, pid: int, descriptor: int) -> list[str]:
        """The lines of proc_pid_fdinfo(5)."""
        texts = (self.read(f"{folder}info", descriptor) for folder in self.folders_of_descriptors(pid))
        return rows(next(filter(None, texts), ""))

    def flags(self, pid: int, descriptor: int) -> int:
        """The file status flags of an open descriptor, as open(2) numbers them."""
        for line in self.description(pid, descriptor):
            if line.startswith("flags:"):
                return int(line.split()[1], 8)
        return 0

    def watches(self, pid: int, descriptor: int) -> list[Watch]:
        """The watch list of an epoll descriptor, proc_pid_fdinfo(5).

        An epoll in it is one line; what that one watches stands in its own list. A descriptor that was closed
        while a copy of it is open stays in the list, epoll(7): so the number may be another file's by now, and
        the inode is the truth.
        """
        found = []
        for line in self.description(pid, descriptor):
            fields = line.replace(":", ": ").split()
            if line.startswith("tfd:") and "ino:" in fields:
                found.append(Watch(int(fields[1]), int(fields[3], 16), int(fields[fields.index("ino:") + 1], 16)))
        return found

    def watched(self, pid: int, descriptor: int) -> dict[int, int]:
        """What an epoll descriptor watches: inode of each target -> its event mask, those of its copies together."""
        targets: dict[int, int] = {}
        for watch in self.watches(pid, descriptor):
            targets[watch.inode] = targets.get(watch.inode, 0) | watch.events
        return targets

    def unix_sockets(self) -> set[int]:
        """The inodes of all Unix sockets, proc_pid_net(5)."""
        return {int(inode) for inode in UNIX.findall(self.read("net", "unix"))}

    def other_sockets(self) -> set[int]:
        """The inodes of all sockets that are not TCP, proc_pid_net(5)."""
        places = {"udp": 9, "udp6": 9, "raw": 9, "raw6": 9, "netlink": -1, "packet": -1}
        return self.unix_sockets().union(*(self.inodes(name, place) for name, place in places.items()))

    def inodes(self, name: str, place: int) -> set[int]:
        """The column of inodes in a table of /proc/net."""
        return {int(line.split()[place]) for line in self.lines("net", name)[1:]}

    def spent(self, pid: int) -> Spent | None:
        """What all threads of a process have spent, those that have ended too.

        By proc_pid_stat(5) and the clock of clock_getcpuclockid(3). A clock that runs for a CPU timer may be ahead
        of the threads' own: then it tells nothing.
        """
        if not (fields := self.stat(pid)):
            return None
        nanoseconds = self.cpu_clock(pid)
        return Spent(int(fields[7]) + int(fields[9]), None if self.has_cpu_timer(pid) else nanoseconds)

    def spent_by_living(self, pid: int) -> Spent | None:
        """The same of its living threads, proc_pid_schedstat(5); None if one of them could not be read."""
        tasks = [("task", tid) for tid in self.numbers(pid, "task")]
        stats = [self.stat(pid, *task) for task in tasks]
        times = [self.read(pid, *task, "schedstat").split() for task in tasks]
        if not tasks or not all(stats):
            return None
        faults = sum(int(fields[7]) + int(fields[9]) for fields in stats)
        return Spent(faults, sum(int(fields[0]) for fields in times) if all(times) else None)

    def spent_by_children(self, pid: int) -> int:
        """Page faults of the children that a process has waited for, and of those these have had.

        There is no child without a fault: it has written to its stack, or was given one by execve(2).
        """
        fields = self.stat(pid)
        return int(fields[8]) + int(fields[10]) if fields else 0

    def spent_by_the_dead(self, pid: int) -> int:
        """The same of a zombie and of the children that it had waited for: what will be added when it is reaped."""
        fields = self.stat(pid)
        return sum(map(int, fields[7:11])) if fields else 0

    def stat(self, *names: object) -> list[str]:
        """The fields of a `stat` from the state letter on; none if it cannot be read."""
        fields = self.read(*names, "stat").rpartition(")")[2].split()
        return fields if len(fields) >= 20 else []

    def counters(self, pid: int, tid: int) -> tuple[str, ...]:
        """Of a thread that has not run since, the same as before: its state, when and how often it ran, and switches.

        proc_pid_schedstat(5) counts when a thread begins to run, the switches count when it stops.
        """
        lines = self.lines(pid, "task", tid, "status")
        kept = (line for line in lines if line.startswith("State:") or "_ctxt_switches:" in line)
        return self.read(pid, "task", tid, "schedstat"), *kept

    def kin(self, tid: int) -> tuple[int, int]:
        """The process of a thread, by the thread's number, and that one's parent; zeros if it is gone."""
        fields = dict(line.split(":\t")[:2] for line in self.lines(tid, "status") if ":\t" in line)
        return int(fields.get("Tgid", 0)), int(fields.get("PPid", 0))

    def own_number(self, *names: object) -> int:
        """The number of a process, or a thread (pid, "task", tid), where it lives: proc_pid_status(5), NSpid."""
        for line in self.lines(*names, "status"):
            if line.startswith("NSpid:"):
                return int(line.split()[-1])
        return 0

    def last_pid(self) -> int:
        """The last number that a process or a thread was given in our namespace, proc_loadavg(5); 0 if unknown."""
        fields = self.read("loadavg").split()
        return int(fields[-1]) if fields else 0

    def cpu_clock(self, pid: int) -> int | None:
        """Nanoseconds of CPU time of a process: the clock of clock_getcpuclockid(3), as the kernel numbers it."""
        try:
            return time.clock_gettime_ns((~pid << 3) | 2)
        except OSError:
            return None

    def has_cpu_timer(self, pid: int) -> bool:
        """Whether a timer may run on that clock: setitimer(2), timer_create(2), or for RLIMIT_CPU, getrlimit(2)."""
        if self.catches(pid, signal.SIGPROF) or self.catches(pid, signal.SIGVTALRM) or self.read(pid, "timers"):
            return True
        lines = self.lines(pid, "limits")
        return any(line.startswith("Max cpu time") and line.split()[3] != "unlimited" for line in lines)

    def timespec(self, pid: int, address: int) -> float:
        """Seconds of a struct timespec in another process's memory. Raises OSError."""
        seconds, nanoseconds = struct.unpack("qq", self.memory(pid, address, 16))
        return float(seconds + nanoseconds / 1e9)

    def memory(self, pid: int, address: int, size: int) -> bytes:
        """So many bytes of another process's memory, proc_pid_mem(5). Raises OSError."""
        with self.asking(), open(f"{self.root}/{pid}/mem", "rb", buffering=0) as memory:
            memory.seek(address)
            data = memory.read(size)
        if len(data) != size:
            raise OSError(errno.EFAULT, "there is no so much memory at this address")
        return data

    def socket_timeout(self, pid: int, descriptor: int, option: int) -> float:
        """Seconds of SO_RCVTIMEO or SO_SNDTIMEO on another process's socket, 0 for none. Raises OSError."""
        seconds, microseconds = struct.unpack("ll", self.socket_option(pid, descriptor, socket.SOL_SOCKET, option, 16))
        return float(seconds + microseconds / 1e6)

    def socket_option(self, pid: int, descriptor: int, level: int, option: int, size: int) -> bytes:
        """What getsockopt(2) says of another process's socket, pidfd_getfd(2).

        Raises OSError where the kernel does not let us ask.
        """
        with self.copy(pid, descriptor) as theirs:
            return theirs.getsockopt(level, option, size)

    def ends(self, pid: int, descriptor: int) -> tuple[int, tuple[str, int] | None]:
        """The port of another process's Internet socket, also of a dead one (0 if it never had any, or is no such),
        and the address and port of its peer, None if it is not connected (any more).

        Raises OSError likewise. A copy keeps a connection open as long as it is there.
        """
        with self.copy(pid, descriptor) as theirs:
            if theirs.family not in (socket.AF_INET, socket.AF_INET6):
                return 0, None
            port = int(theirs.getsockname()[1])
            try:
                host, peer = theirs.getpeername()[:2]
            except OSError:
                return port, None
            return port, (host.removeprefix("::ffff:"), int(peer))

    @staticmethod
    def copy(pid: int, descriptor: int) -> socket.socket:
        """A descriptor of our own for another process's socket, pidfd_getfd(2)."""
        process = os.pidfd_open(pid)
        try:
            copy = LIBC.syscall(PIDFD_GETFD, process, descriptor, 0)
        finally:
            os.close(process)
        if copy < 0:
            raise OSError(ctypes.get_errno(), "pidfd_getfd")
        return socket.socket(fileno=copy)

    def catches(self, pid: int, signal_number: int) -> bool:
        """Whether a process has a handler of its own for a signal."""
        return self.in_mask(pid, "SigCgt:", signal_number)

    def blocks(self, pid: int, signal_number: int) -> bool:
        """Whether the main thread of a process blocks a signal."""
        return self.in_mask(pid, "SigBlk:", signal_number)

    def in_mask(self, pid: int, name: str, signal_number: int) -> bool:
        for line in self.lines(pid, "status"):
            if line.startswith(name):
                return bool(int(line.split()[1], 16) >> (signal_number - 1) & 1)
        return False


End = tuple[str, int]  # address and port


@dataclass(frozen=True)
class Socket:
    """A TCP socket: of a connection `unread` bytes wait to be read and `unsent` are not yet
    acknowledged; of a listener `unread` connections wait to be accepted, `unsent` is the most that may.
    Inode 0: no process holds it."""

    state: int
    unread: int
    unsent: int
    inode: int
    address: tuple[str, int] = ("", 0)

    def __str__(self) -> str:
        return STATE_NAMES[self.state] if self.state < len(STATE_NAMES) else f"state {self.state}"


class NetlinkSockets:
    """TCP sockets by sock_diag(7). Raises OSError where netlink cannot be used."""

    REQUEST, DUMP, DIAG = 1, 0x300, 20

    def __init__(self) -> None:
        self.netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 4)
        self.netlink.settimeout(5)
        try:
            self.listeners()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.netlink.close()

    def forget(self) -> None:
        """Nothing is kept: each question is asked anew."""

    def __del__(self) -> None:
        """One that is forgotten is closed: where warnings are errors, Python's ResourceWarning would be a failure."""
        if hasattr(self, "netlink"):
            self.netlink.close()

    def ask(self, family: int, states: int, flags: int, ports: bytes, addresses: bytes) -> bytes:
        diag = struct.pack("=BBBBI", family, socket.IPPROTO_TCP, 0, 0, states)
        body = diag + ports + addresses + struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
        self.netlink.send(struct.pack("=IHHII", 16 + len(body), self.DIAG, flags, 0, 0) + body)
        return self.netlink.recv(1 << 16)

    @staticmethod
    def row(message: bytes) -> Socket:
        family, state = message[0], message[1]
        port = int.from_bytes(message[4:6], "big")
        address = socket.inet_ntop(family, message[8 : 12 if family == socket.AF_INET else 24]).removeprefix("::ffff:")
        unread, unsent, _, inode = struct.unpack_from("=IIII", message, 56)
        return Socket(state, unread, unsent, inode, (address, port))

    def connection(self, local: tuple[str, int], peer: tuple[str, int]) -> Socket | None:
        """The socket with these two IPv4 ends, or None."""
        ports = struct.pack(">HH", local[1], peer[1])
        ends = socket.inet_aton(local[0]).ljust(16, b"\0") + socket.inet_aton(peer[0]).ljust(16, b"\0")
        reply = self.ask(socket.AF_INET, 0xFFFFFFFF, self.REQUEST, ports, ends)
        kind = struct.unpack_from("=IH", reply)[1]
        if kind != self.DIAG:
            return None
        found = self.row(reply[16:])
        # An absent connection is answered with the listener that would have taken it.
        return None if found.state == LISTEN else found

    def listeners(self) -> list[Socket]:
        """Every listening TCP socket, IPv4 and IPv6."""
        return [self.row(message) for message in self.dump(1 << LISTEN, 0)]

    def elsewhere(self, port: int) -> set[int]:
        """The inodes of listeners, and of all sockets that have another local port."""
        rows = map(self.row, self.dump(0xFFFFFFFF & ~(1 << TIME_WAIT), 0))
        return {row.inode for row in rows if row.state == LISTEN or row.address[1] != port}

    def connections(self, port: int) -> dict[tuple[str, int], Socket]:
        """Every connection of this local port: the peer's IPv4 address and port -> the socket."""
        found = {}
        for message in self.dump(0xFFFFFFFF & ~(1 << LISTEN), port):
            if int.from_bytes(message[4:6], "big") != port:  # Linux 6.8 lists all that are bound and no more, too
                continue
            host = socket.inet_ntop(message[0], message[24 : 28 if message[0] == socket.AF_INET else 40])
            found[host.removeprefix("::ffff:"), int.from_bytes(message[6:8], "big")] = self.row(message)
        return found

    def dump(self, states: int, port: int) -> Iterator[bytes]:
        """The rows of all sockets in these states, on this local port if it is not 0."""
        for family in (socket.AF_INET, socket.AF_INET6):
            ports = struct.pack(">HH", port, 0)
            reply = self.ask(family, states, self.REQUEST | self.DUMP, ports, b"\0" * 32)
            while reply:
                length, kind = struct.unpack_from("=IH", reply)
                if kind == 3:  # NLMSG_DONE
                    break
                if kind == 2:  # NLMSG_ERROR
                    raise OSError(-struct.unpack_from("=i", reply, 16)[0], "netlink refuses to list sockets")
                yield reply[16:length]
                reply = reply[(length + 3) & ~3 :] or self.netlink.recv(1 << 16)


class ProcSockets:
    """The same facts from /proc/net/tcp and tcp6, which are read whole: once for all that is asked in a look.

    A table is asked again as long as it took to be read, since more is not to be known of it; `forget` ends that.
    """

    LINE = (
        rb"^ *\d+: ([0-9A-F]+):(%b) ([0-9A-F]+):([0-9A-F]{4}) (%b) ([0-9A-F]+):([0-9A-F]+)"
        rb" [0-9A-F]+:[0-9A-F]+ [0-9A-F]+ +\d+ +\d+ (\d+)"
    )

    def __init__(self, proc: Proc):
        self.proc = proc
        self.until = -1.0  # seconds by time.monotonic()
        self.table = b""
        self.found: dict[bytes, list[tuple[Socket, End]]] = {}  # in this table, by what was looked for
        self.ends: dict[int, dict[tuple[End, End], Socket]] = {}  # likewise, by the local port

    def forget(self) -> None:
        """What is asked from now on is read anew."""
        self.until = -1.0

    def close(self) -> None:
        """Nothing is held."""

    def rows(self, port: bytes = rb"[0-9A-F]{4}", state: bytes = rb"[0-9A-F]{2}") -> list[tuple[Socket, End]]:
        """The sockets at this port and in this state, in hexadecimal as the table has them, each with its peer."""
        began = time.monotonic()
        if began > self.until:
            self.table = b"".join(self.proc.data("net", name) for name in ("tcp", "tcp6"))
            self.found.clear()
            self.ends.clear()
            self.until = began
        pattern = self.LINE % (port, state)
        if pattern not in self.found:
            self.found[pattern] = [self.row(line.groups()) for line in re.finditer(pattern, self.table, re.MULTILINE)]
            self.until += 2 * (time.monotonic() - began)
        return self.found[pattern]

    @classmethod
    def row(cls, fields: tuple[bytes, ...]) -> tuple[Socket, End]:
        host, port, peer, peer_port, state, unsent, unread, inode = fields
        number = int(state, 16)
        number = SYN_RECV if number == 12 else number
        most = 1 << 30  # how many may wait is not said here
        ours = Socket(
            number, int(unread, 16), most if number == LISTEN else int(unsent, 16), int(inode), cls.address(host, port)
        )
        return ours, cls.address(peer, peer_port)

    @staticmethod
    @functools.lru_cache(1 << 16)
    def address(host: bytes, port: bytes) -> tuple[str, int]:
        """`0100007F`, `1ED2`: each 32-bit word in the machine's byte order, the port as written."""
        words = [int(host[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(host), 8)]
        packed = b"".join(words)
        if packed.startswith(b"\0" * 10 + b"\xff\xff"):
            packed = packed[12:]
        family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
        return socket.inet_ntop(family, packed), int(port, 16)

    def connection(self, local: tuple[str, int], peer: tuple[str, int]) -> Socket | None:
        rows = self.rows(b"%04X" % local[1])
        if local[1] not in self.ends:
            self.ends[local[1]] = {(ours.address, theirs): ours for ours, theirs in rows if ours.state != LISTEN}
        return self.ends[local[1]].get((local, peer))

    def elsewhere(self, port: int) -> set[int]:
        return {ours.inode for ours, _ in self.rows() if ours.state == LISTEN or ours.address[1] != port}

    def connections(self, port: int) -> dict[tuple[str, int], Socket]:
        return {theirs: ours for ours, theirs in self.rows(b"%04X" % port) if ours.state != LISTEN}

    def listeners(self) -> list[Socket]:
        return [ours for ours, _ in self.rows(state=b"0A")]


def sockets(proc: Proc) -> NetlinkSockets | ProcSockets:
    """The quick way to ask of sockets where it is open to us, else the slow one."""
    try:
        return NetlinkSockets()
    except OSError as error:
        if error.errno in SHORT:
            raise
        return ProcSockets(proc)
