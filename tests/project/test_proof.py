"""The proof of being stuck: what it accepts, what it must not, and real servers that only look stuck."""

import os
import re
import signal
import socket
import threading
import time
from dataclasses import replace

import pytest
from made_up import NUMBERS, MadeUpProc, Tree

from grader import evidence, proof, rounds
from grader.client import request
from grader.kernel import Proc, Task
from grader.proof import Look, Prover, Sockets, is_internal, look
from grader.rounds import COMPUTING, SPIN, STEPS, THEN, TURNS
from grader.timers import FOREVER, running, timeout_of

pytestmark = pytest.mark.skipif(not NUMBERS, reason="the numbers of this machine's system calls are not known")

PID = 100
EMPTY, UNREAD, STUCK, OTHER = 11, 12, 13, 14  # inodes: nothing unread, bytes unread, does not read, unknown
LISTENER, FULL = 15, 16  # inodes of listeners with an empty and a waiting backlog
FACTS = Sockets({EMPTY: 0, UNREAD: 5, STUCK: 0, LISTENER: 0, FULL: 2}, {STUCK}, lambda target: target == "pipe:[77]")
AT_REST = "the kernel shows every thread of the server asleep"
TABLE = {
    3: f"socket:[{EMPTY}]",
    4: f"socket:[{UNREAD}]",
    5: f"socket:[{STUCK}]",
    6: f"socket:[{OTHER}]",
    7: "pipe:[77]",  # within the family
    8: "pipe:[88]",  # the one that we drain
    9: f"socket:[{LISTENER}]",
    10: f"socket:[{FULL}]",
    11: "anon_inode:[eventpoll]",
    12: "/dev/pts/0",
}
MINUTE, NEVER, POINTER = 60_000, 0xFFFFFFFF, 0x7FFC0000


@pytest.fixture
def tree(tmp_path):
    made = Tree(tmp_path / "proc").process(PID)
    for number, target in TABLE.items():
        made.descriptor(PID, number, target)
    return made


def prover(tree, started=0.0, clock=None):
    proc = MadeUpProc(tree.root)
    return Prover(proc, proc.processes, started, clock)


def looks(prover, between=lambda: None, *, facts=FACTS, patience=30.0, now=1.0):
    """What two looks say, with something done between them."""
    assert prover.check(lambda: facts, now=now, patience=patience) == ""
    between()
    return prover.check(lambda: facts, now=now, patience=patience)


def verdict(tree, **options):
    return looks(prover(tree), **options)


def exists(name):
    return pytest.mark.skipif(name not in NUMBERS, reason=f"no {name} on this machine")


def calls(*rows):
    return pytest.mark.parametrize(
        "call", [pytest.param(row, marks=exists(row[0]), id=" ".join(map(str, row))) for row in rows]
    )


# Made-up families


@calls(
    *((name, 3) for name in ("read", "readv", "recvfrom", "recvmsg", "recvmmsg")),
    *((name, 5) for name in ("write", "writev", "sendto", "sendmsg", "sendfile")),
    *((name, 7) for name in ("read", "readv", "write", "writev")),
    ("splice", 7, 0, 5),
    ("splice", 5, 0, 7),
    ("accept", 9),
    ("accept4", 9),
    *((name, 0xFFFFFFFF) for name in ("wait4", "waitid")),
    ("flock", 12, 2),
    *((name, 11, POINTER, 64, NEVER) for name in ("epoll_wait", "epoll_pwait")),
    *((name, 11, POINTER, 64, MINUTE) for name in ("epoll_wait", "epoll_pwait")),
    ("epoll_pwait2", 11, POINTER, 64, 0),
    ("poll", POINTER, 2, NEVER),
    ("poll", POINTER, 2, MINUTE),
    ("ppoll", POINTER, 2, 0),
    *((name, 8, POINTER, 0, 0, 0) for name in ("select", "pselect6")),
    *(("futex", POINTER, op, 2, 0) for op in (0, 6, 9, 11, 13, 0x80, 0x89, 0x189)),
)
def test_accepted(tree, call):
    """A thread asleep in a call that only we could end is proof, and the words say how it is known."""
    tree.thread(PID, *call)
    made = prover(tree)
    assert looks(made).startswith(AT_REST)
    assert made.at_rest


@calls(
    *((name, 4) for name in ("read", "readv", "recvfrom", "recvmsg", "recvmmsg")),  # bytes are there
    *((name, 6) for name in ("read", "recvfrom", "recvmsg", "sendto", "sendmsg")),  # whose socket is that?
    *((name, 3) for name in ("write", "sendto", "sendmsg", "sendfile")),  # a client that reads
    *((name, 8) for name in ("read", "write", "writev")),  # our pipe: we drain it
    *((name, 12) for name in ("read", "write")),  # a terminal
    *((name, 99) for name in ("read", "write", "accept4")),  # no such descriptor
    ("accept", 10),
    ("accept4", 10),  # a client waits in the backlog
    ("accept4", 6),
    *((name, 11, POINTER, 64, 100) for name in ("epoll_wait", "epoll_pwait")),  # 100 ms
    *((name, 11, POINTER, 64, 30_000) for name in ("epoll_wait", "epoll_pwait")),  # before the horizon of 31 s
    ("epoll_pwait2", 11, POINTER, 64, POINTER),
    ("poll", POINTER, 2, 1000),
    ("poll", POINTER, 2, 0),
    ("ppoll", POINTER, 2, POINTER),
    *((name, 8, POINTER, 0, 0, POINTER) for name in ("select", "pselect6")),
    ("futex", POINTER, 0x80, 2, POINTER),  # a wait with a time-out
    ("futex", POINTER, 1, 2, 0),  # FUTEX_WAKE does not wait
    ("nanosleep", POINTER),
    ("clock_nanosleep", 0, 0, POINTER),
    ("pause",),
    ("rt_sigtimedwait", POINTER),
    ("rt_sigsuspend", POINTER),
    ("fcntl", 12, 7),
    ("connect", 6),
    ("openat", 0xFFFFFF9C, POINTER),
)
def test_not_accepted(tree, call):
    """A thread that time, another process or what is on its way could wake is no proof."""
    tree.thread(PID, *call)
    assert verdict(tree) == ""


def test_fifo_that_nobody_opens(tree):
    """open(2) of a FIFO waits for its other end, and the kernel says so; every other open ends by itself."""
    tree.thread(PID, "openat", 0xFFFFFF9C, POINTER, wchan="wait_for_partner")
    assert verdict(tree).startswith(AT_REST)
    tree.thread(PID, "openat", 0xFFFFFF9C, POINTER, wchan="nfs_wait_bit")
    assert verdict(tree) == ""


@pytest.mark.parametrize("call", [None, "running", "-1", 9999])
def test_unknown_call(tree, call):
    """A call that cannot be read, that has no number, or whose number is not known, is no proof."""
    tree.thread(PID, call)
    assert verdict(tree) == ""


def test_syscall_file_is_not_there(tree):
    """A kernel without /proc/PID/syscall proves nothing."""
    tree.thread(PID, "accept4", 9)
    (tree.root / str(PID) / "task" / str(PID) / "syscall").unlink()
    assert verdict(tree) == ""


@pytest.mark.parametrize("state", "RDTtIPW")
def test_states_that_are_not_sleep(tree, state):
    """Running, in the disk's hands, stopped, traced: not asleep, whatever the call."""
    tree.thread(PID, "accept4", 9, state=state)
    assert verdict(tree) == ""


def test_frozen(tree):
    """A thread of a frozen cgroup looks asleep and is not."""
    for wchan in ("do_freezer_trap", "__refrigerator_freezer"):
        tree.thread(PID, "accept4", 9, wchan=wchan)
        assert verdict(tree) == ""


def test_one_look_is_none(tree):
    """One look proves nothing; nor does the next if a thread was switched in between, even once."""
    tree.thread(PID, "accept4", 9)
    for more in ({"voluntary": 8}, {"involuntary": 2}):
        assert verdict(tree, between=lambda more=more: tree.thread(PID, "accept4", 9, **more)) == ""
        tree.thread(PID, "accept4", 9)


def test_all_threads_count(tree):
    """One thread that may wake by itself is enough against the proof; asleep for good as well, it is proven."""
    tree.thread(PID, "accept4", 9).thread(PID, "futex", POINTER, 0x80, 2, POINTER, tid=101)
    assert verdict(tree) == ""
    tree.thread(PID, "futex", POINTER, 0x80, 2, 0, tid=101)
    assert verdict(tree).startswith(AT_REST)


def test_all_processes_count(tree):
    """A child that runs, or that has no thread to be seen yet, is enough against the proof."""
    tree.thread(PID, "wait4", 0xFFFFFFFF).process(200, parent=PID).thread(200, "running", state="R")
    assert verdict(tree) == ""
    tree.thread(200, "futex", POINTER, 0x80, 2, 0)
    assert verdict(tree).startswith(AT_REST)


@pytest.mark.parametrize("tid", [PID, 201])
def test_thread_that_appears(tree, tid):
    """A thread or process that appears between two looks forbids the proof until it has been looked at twice."""
    tree.thread(PID, "accept4", 9)
    made = prover(tree)

    def appear():
        tree.thread(PID, "accept4", 9, tid=101)
        if tid != PID:
            tree.process(201, parent=PID).thread(201, "accept4", 9)
            tree.descriptor(201, 9, TABLE[9])

    assert looks(made, appear) == ""
    assert made.check(lambda: FACTS, now=1, patience=30).startswith(AT_REST)


def test_thread_that_vanishes(tree):
    """A thread that is gone at the second look forbids the proof until the next."""
    tree.thread(PID, "accept4", 9).thread(PID, "accept4", 9, tid=101)
    made = prover(tree)

    def vanish():
        for name in ("status", "syscall", "wchan"):
            (tree.root / str(PID) / "task" / "101" / name).unlink()
        (tree.root / str(PID) / "task" / "101").rmdir()

    assert looks(made, vanish) == ""
    assert made.check(lambda: FACTS, now=1, patience=30).startswith(AT_REST)


def test_zombies_do_not_count(tree):
    """Zombies wait for nothing and wake nobody."""
    tree.thread(PID, "accept4", 9).process(200, parent=PID, state="Z").thread(200, None, state="Z")
    assert verdict(tree).startswith(AT_REST)


def test_no_family(tree, tmp_path):
    """Of no process at all nothing is proven."""
    assert looks(prover(Tree(tmp_path / "none"))) == ""


@pytest.mark.parametrize("number", [signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF])
def test_alarm_handlers(tree, number):
    """A handler for a timer's signal may be about to run: no proof. One for another signal is no timer."""
    tree.thread(PID, "accept4", 9)
    tree.process(PID, caught={number})
    assert verdict(tree) == ""
    tree.process(PID, caught={signal.SIGINT, signal.SIGCHLD, signal.SIGTERM, signal.SIGUSR1})
    assert verdict(tree).startswith(AT_REST)


def test_timers(tree):
    """A POSIX timer or a timer descriptor anywhere in the family: no proof."""
    tree.thread(PID, "accept4", 9).process(200, parent=PID).thread(200, "futex", POINTER, 0x80, 2, 0)
    tree.write("ID: 0\nsignal: 60/0000000000000000\nnotify: signal/pid.1\nClockID: 0\n", 200, "timers")
    assert verdict(tree) == ""
    tree.write("", 200, "timers")
    assert verdict(tree).startswith(AT_REST)
    tree.descriptor(200, 20, "anon_inode:[timerfd]")
    assert verdict(tree) == ""


def test_something_under_way(tree):
    """While something of ours is still under way in the kernel nothing is proven."""
    tree.thread(PID, "accept4", 9)
    assert looks(prover(tree), facts=None) == ""


def test_horizon(tree):
    """A time-out counts as none only if it ends after the deadline, whenever it began."""
    tree.thread(PID, "epoll_wait", 11, POINTER, 64, 10_000)
    assert looks(prover(tree, started=0), patience=5, now=4.9).startswith(AT_REST)
    assert looks(prover(tree, started=0), patience=5, now=5.1) == ""  # it may have begun at the start: ends at 10
    assert looks(prover(tree, started=0), patience=30, now=1) == ""
    lasting = prover(tree, started=0)
    lasting.demand(lasting=True)
    assert looks(lasting, patience=5, now=5.1).startswith(AT_REST)


def test_timeouts_are_read_as_c_reads_them(tree):
    """A time-out of -1 is an int: its upper half in the register means nothing; pointers mean "for a time"."""

    def task(call, *args):
        return Task(PID, PID, "S", 0, 0, call, args)

    proc = MadeUpProc(tree.root)
    assert timeout_of(proc, task("epoll_wait", 3, 0, 1, 0xFFFFFFFF)) == FOREVER
    assert timeout_of(proc, task("epoll_wait", 3, 0, 1, 0xFFFFFFFFFFFFFFFF)) == FOREVER
    assert timeout_of(proc, task("epoll_wait", 3, 0, 1, 0xFFFFFFFF000003E8)) == 1.0
    assert timeout_of(proc, task("poll", 3, 1, 0)) == 0.0
    assert timeout_of(proc, task("select", 3, 0, 0, 0, 0x7FFC)) == 0.0
    assert timeout_of(proc, task("select", 3, 0, 0, 0, 0)) == FOREVER
    assert timeout_of(proc, task("recvfrom", 3)) == FOREVER


def clock(call, *args):
    """The clock that an absolute time-out in these calls is on, 0 for a relative one, from their man pages."""
    if call == "futex":
        command, realtime = args[1] & 0x7F, args[1] & 256
        if command == 6:  # FUTEX_LOCK_PI: absolute, always on this clock
            return time.time()
        return 0.0 if command == 0 else time.time() if realtime else time.monotonic()
    if call == "clock_nanosleep" and args[1] == 1:  # TIMER_ABSTIME
        return time.time() if args[0] == 0 else time.monotonic()
    return 0.0


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(row, marks=[exists(row[0]), *more], id=" ".join(map(str, row)))
        for row, more in [
            (("nanosleep", POINTER), []),
            *((("clock_nanosleep", which, flags, POINTER), []) for which in (0, 1) for flags in (0, 1)),
            *((("futex", POINTER, op, 2, POINTER), []) for op in (0, 0x80, 9, 0x89, 0x189)),
            *((("futex", POINTER, op, 2, POINTER), []) for op in (6, 0x86, 11, 13)),
            (("ppoll", POINTER, 2, POINTER), []),
            (("pselect6", 8, POINTER, 0, 0, POINTER), []),
            (("epoll_pwait2", 11, POINTER, 64, POINTER), []),
        ]
    ],
)
def test_time_outs_in_memory(tree, call):
    """A time-out is read from the server's memory, as the call means it: relative, or on which clock."""
    tree.thread(PID, *call)
    for seconds, proven in ((1000.0, True), (20.0, False), (0.3, False)):
        tree.memory(PID, POINTER, seconds + clock(*call))
        assert bool(verdict(tree)) == proven, seconds


@exists("select")
def test_select_counts_microseconds(tree):
    """select(2) has a struct timeval: whatever is made of its fraction, nothing too short is taken for long."""
    tree.thread(PID, "select", 8, POINTER, 0, 0, POINTER)
    for seconds, proven in ((1000.0, True), (20.0, False)):
        tree.memory(PID, POINTER, seconds)
        assert bool(verdict(tree)) == proven


@pytest.mark.parametrize("call", ["recvfrom", "read", "accept4", "sendto"])
def test_time_outs_of_sockets(tree, call):
    """A call on a socket with SO_RCVTIMEO or SO_SNDTIMEO ends by itself; nothing is known if we may not ask."""
    descriptor = {"accept4": 9, "sendto": 5}.get(call, 3)
    tree.thread(PID, call, descriptor)
    for timeout, proven in ((0.0, True), (100.0, True), (31.0, False), (0.2, False), (PermissionError(1), False)):
        made = prover(tree)
        made.proc.timeouts[descriptor] = timeout
        assert bool(looks(made)) == proven, timeout


def test_going_round(tree):
    """A thread that naps and wakes is stuck after so many turns in which nothing changed, and not before."""
    tree.thread(PID, "clock_nanosleep", 0, 0, POINTER, voluntary=7)
    made = prover(tree)
    assert looks(made, lambda: tree.thread(PID, "clock_nanosleep", 0, 0, POINTER, voluntary=7 + TURNS - 1)) == ""
    tree.thread(PID, "clock_nanosleep", 0, 0, POINTER, voluntary=7 + TURNS)
    words = made.check(lambda: FACTS, now=1, patience=30)
    assert f"kept going round ({TURNS} turns" in words and not made.at_rest
    made.reset()
    assert looks(made, lambda: tree.thread(PID, "clock_nanosleep", 0, 0, POINTER, voluntary=8 + TURNS)) == ""


def test_spinning(tree):
    """A thread that asks on and on is stuck after so many seconds of CPU time in which nothing changed, not before."""
    made = spinning(tree)
    assert after(made, tree.worked(PID, 1.8 + SPIN / 2, 1.1 + SPIN / 2)) == ""
    words = after(made, tree.worked(PID, 2 + SPIN / 2, 1 + SPIN / 2))
    assert f"{SPIN:.1f} s of CPU time" in words and not made.at_rest


def spinning(tree, clock=None):
    """A prover that has seen a thread run twice, after 3 s of CPU time."""
    made = prover(tree.thread(PID, "running", state="R").worked(PID, 2, 1), clock=clock)
    assert looks(made) == ""
    return made


def after(made, tree=None, facts=FACTS):
    """What another look says."""
    return made.check(lambda: facts, now=1, patience=30)


@pytest.mark.parametrize(
    "more", [{}, {"system": 0.01 * SPIN}, {"system": SPIN, "faults": 1_000_000}, {"system": SPIN, "read": 4096}]
)
def test_computing_is_not_spinning(tree, more):
    """Whose CPU time is its own, or goes into memory and reading, computes: it is given up after far more of it."""
    made = spinning(tree)
    used = {"system": 0.0} | more
    seconds = {"system": 1 + used.pop("system"), **used}
    assert after(made, tree.worked(PID, 2 + 2 * SPIN, **seconds)) == ""
    assert made.rounds.busy()
    seconds["system"] *= COMPUTING / SPIN
    seconds["faults"] = int(seconds.get("faults", 0) * COMPUTING / SPIN)
    assert "kept going round" in after(made, tree.worked(PID, 2 + COMPUTING, **seconds))
    assert not made.rounds.busy()


def test_computing_in_slices(tree):
    """A thread that computes beside another gives up the interpreter again and again: that makes no rounds of it."""
    made = prover(tree.thread(PID, "running", state="R").worked(PID, 1))
    assert looks(made) == ""
    tree.thread(PID, "running", state="R", voluntary=7 + TURNS)
    assert after(made, tree.worked(PID, 1 + 0.005 * TURNS)) == ""
    assert "kept going round" in after(made, tree.worked(PID, 1 + 0.0005 * TURNS))


def test_nobody_to_serve_yet(tree):
    """Before it listens a server may do what it likes: it is given up after as much CPU time as one who computes."""
    made = spinning(tree)
    nobody = Sockets({}, set(), lambda target: False)
    assert after(made, tree.worked(PID, 2 + SPIN, 1 + SPIN), nobody) == ""
    assert "kept going round" in after(made, tree.worked(PID, 2 + COMPUTING, 1 + COMPUTING), nobody)


class MadeUpClock:
    """Tells how far it was set forward, and who reads it."""

    ahead, readers = 0.0, (PID,)

    def forward(self, seconds):
        self.ahead += seconds

    def leads(self, proc, pid):
        return pid in self.readers


def test_a_minute_passes_first(tree):
    """In the midst of its turns the server's clock is set forward, in steps; a verdict comes after the last."""
    clock, turns, passed = MadeUpClock(), 7, 0.0
    made = prover(tree, clock=clock)
    tree.thread(PID, "clock_nanosleep", 0, 0, POINTER, voluntary=turns)
    assert looks(made) == ""
    for share, seconds in STEPS:
        turns += int(share * TURNS)
        tree.thread(PID, "clock_nanosleep", 0, 0, POINTER, voluntary=turns - 1)
        assert (after(made), clock.ahead) == ("", passed)
        tree.thread(PID, "clock_nanosleep", 0, 0, POINTER, voluntary=turns)
        passed += seconds
        assert (after(made), clock.ahead) == ("", passed)
        assert after(made) == ""  # whatever it has done before, now it has time to act
    assert passed > 60
    tree.thread(PID, "clock_nanosleep", 0, 0, POINTER, voluntary=turns + int(THEN * TURNS))
    assert f"({TURNS} turns, 0.0 s of CPU time) while {passed:.0f} s passed on its clock and nothing" in after(made)


@pytest.mark.parametrize("case", ["no verdict", "something changes", "a clock of its own"])
def test_a_minute_that_says_nothing(tree, case):
    """For what no verdict rests on no clock is set; what changes begins a new minute; not all read it."""
    clock = MadeUpClock()
    made = prover(tree, clock=clock)
    if case == "no verdict":
        made.demand(verdict=False)
    if case == "a clock of its own":
        clock.readers = ()
    tree.thread(PID, "clock_nanosleep", 0, 0, POINTER, voluntary=0)
    assert looks(made) == ""
    words = []
    for number in range(len(STEPS) + 1):
        if number == 3 and case == "something changes":
            made.reset()
        tree.thread(PID, "clock_nanosleep", 0, 0, POINTER, voluntary=(number + 1) * TURNS)
        words += [after(made), after(made)]
    assert bool(words[0]) == (case == "no verdict") and bool(words[-1]) == (case == "no verdict")
    assert clock.ahead == {"no verdict": 0, "something changes": 1 + 5 + 15 + 1, "a clock of its own": 62}[case]


def test_one_goes_round_one_is_about_to_act(tree):
    """A thread that goes round proves nothing of another that is in a nap."""
    tree.thread(PID, "clock_nanosleep", 0, 0, POINTER, voluntary=1).thread(PID, "pause", tid=101)
    words = looks(prover(tree), lambda: tree.thread(PID, "clock_nanosleep", 0, 0, POINTER, voluntary=1 + TURNS))
    assert words == ""


def test_internal_pipes(tmp_path):
    """Pipes and Unix sockets are the family's own, but for the pipe that we drain; a FIFO is a pipe."""
    tree = Tree(tmp_path / "proc")
    header = "Num       RefCount Protocol Flags    Type St Inode Path\n"
    tree.write(header + "0000000000000000: 00000003 00000000 00000000 0001 03 555\n", "net", "unix")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").write_text("")
    internal = is_internal(Proc(tree.root), 88)
    for target in ("pipe:[77]", "socket:[555]", str(tmp_path / "fifo")):
        assert internal(target), target
    others = ("pipe:[88]", "socket:[55]", str(tmp_path / "file"), str(tmp_path / "none"), "/dev/null", "")
    for target in (*others, "anon_inode:[eventfd]"):
        assert not internal(target), target


# Real servers. Each is a program that has `listener` and `serve(connection)` when its own part begins.

BEGIN = """\
import argparse, ctypes, gc, multiprocessing, os, select, signal, socket, sys, threading, time
def serve(connection):
    with connection:
        head = b""
        while b"\\r\\n\\r\\n" not in head:
            pause()
            data = connection.recv(65536)
            if not data:
                return
            head += data
        connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
def pause():
    pass
def listen():
    parser = argparse.ArgumentParser()
    for name in ("--host", "--port", "--root"):
        parser.add_argument(name)
    args = parser.parse_args()
    global root
    root = args.root
    return socket.create_server((args.host, int(args.port)))
"""
LOOP = """
while True:
    serve(listener.accept()[0])
"""
LISTEN = "listener = listen()\n"

NAPS = "def pause():\n    time.sleep(0.3)\n"
COLLECTS = """
heap = [[i] for i in range(400_000)]
def pause():
    end = time.process_time() + 0.4
    while time.process_time() < end:
        gc.collect()
"""
SPAWNS = """
def child(connection):
    serve(connection)
if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    listener = listen()
    while True:
        connection = listener.accept()[0]
        process = multiprocessing.Process(target=child, args=(connection,))
        process.start()
        connection.close()
        process.join()
"""
CLOCK = """
listener.setblocking(False)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2)
while True:
    signal.sigwait({signal.SIGALRM})
    try:
        connection = listener.accept()[0]
    except BlockingIOError:
        continue
    connection.setblocking(True)
    serve(connection)
"""
HANDLER = """
def ring(*_):
    while waiting:
        serve(waiting.pop())
waiting = []
signal.signal(signal.SIGALRM, ring)
signal.setitimer(signal.ITIMER_REAL, 0.4, 0.4)
while True:
    waiting.append(listener.accept()[0])
"""
TIMER_THREAD = """
def later(connection):
    threading.Timer(0.4, serve, (connection,)).start()
while True:
    later(listener.accept()[0])
"""
TIMERFD = """
libc = ctypes.CDLL(None)
clock = libc.timerfd_create(1, 0o4000)
class Spec(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in ("every", "every_ns", "first", "first_ns")]
libc.timerfd_settime(clock, 0, ctypes.byref(Spec(0, 400_000_000, 0, 400_000_000)), None)
epoll = select.epoll()
epoll.register(clock, select.EPOLLIN)
listener.setblocking(False)
while True:
    epoll.poll()
    os.read(clock, 8)
    try:
        connection = listener.accept()[0]
    except BlockingIOError:
        continue
    connection.setblocking(True)
    serve(connection)
"""
POSIX_TIMER = """
class Event(ctypes.Structure):
    _fields_ = [("value", ctypes.c_void_p), ("signo", ctypes.c_int), ("notify", ctypes.c_int)]
    _fields_.append(("pad", ctypes.c_byte * 48))
class Spec(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in ("every", "every_ns", "first", "first_ns")]
def ring(*_):
    while waiting:
        serve(waiting.pop())
waiting = []
signal.signal(signal.SIGUSR1, ring)
libc, timer = ctypes.CDLL(None), ctypes.c_void_p()
assert libc.timer_create(1, ctypes.byref(Event(None, signal.SIGUSR1, 0)), ctypes.byref(timer)) == 0
libc.timer_settime(timer, 0, ctypes.byref(Spec(0, 400_000_000, 0, 400_000_000)), None)
while True:
    waiting.append(listener.accept()[0])
"""
SIGNALFD = """
libc = ctypes.CDLL(None)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
mask = (ctypes.c_ulong * 16)(1 << (signal.SIGALRM - 1))
clock = libc.signalfd(-1, mask, 0)
signal.setitimer(signal.ITIMER_REAL, 0.4, 0.4)
epoll = select.epoll()
epoll.register(clock, select.EPOLLIN)
listener.setblocking(False)
while True:
    epoll.poll()
    os.read(clock, 128)
    try:
        connection = listener.accept()[0]
    except BlockingIOError:
        continue
    connection.setblocking(True)
    serve(connection)
"""
RCVTIMEO = """
listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, bytes(ctypes.c_long(0)) + bytes(ctypes.c_long(400_000)))
waiting = []
while True:
    try:
        waiting.append(listener.accept()[0])
    except BlockingIOError:
        while waiting:
            serve(waiting.pop())
"""
LOOKS_STUCK = {
    "naps": NAPS + LISTEN + LOOP,
    "collects garbage": COLLECTS + LISTEN + LOOP,
    "spawns": SPAWNS,
    "alarm clock": LISTEN + CLOCK,
    "alarm handler": LISTEN + HANDLER,
    "timer thread": LISTEN + TIMER_THREAD,
    "timerfd": LISTEN + TIMERFD,
    "POSIX timer": LISTEN + POSIX_TIMER,
    "signalfd": LISTEN + SIGNALFD,
    "SO_RCVTIMEO": LISTEN + RCVTIMEO,
}


@pytest.mark.parametrize("name", LOOKS_STUCK)
def test_looks_stuck_and_is_not(grading, name):
    """A server that takes its time is never called stuck: it is waited for, and it answers."""
    server = grading(BEGIN + LOOKS_STUCK[name]).start()
    for _ in range(3):
        client = server.ask("/")
        outcome = server.until(lambda client=client: client.replies)
        assert outcome, outcome.why
        server.leave()


def test_stopped_by_somebody_else(grading):
    """A server that somebody stops (SIGSTOP) for two seconds is waited for."""
    server = grading(BEGIN + LISTEN + LOOP).start()
    os.kill(server.main, signal.SIGSTOP)
    client = server.ask("/")
    timer = threading.Timer(2, os.kill, (server.main, signal.SIGCONT))
    timer.start()
    outcome = server.until(lambda: client.replies)
    timer.join()
    assert outcome, outcome.why


def test_a_signal_to_end_waits_for_one_that_is_stopped(grading):
    """Of a process that somebody has stopped any thread may take a signal: it is sent when the server goes on."""
    server = grading(BEGIN + LISTEN + LOOP).start()
    os.kill(server.main, signal.SIGSTOP)
    server.until(lambda: all(task.state == "T" for task in server.tasks()))
    pending: list[str] = []

    def go_on() -> None:
        pending.extend(re.findall(r"ShdPnd:\s*(\w+)", server.launch.proc.read(server.main, "status")))
        os.kill(server.main, signal.SIGCONT)

    timer = threading.Timer(0.3, go_on)
    timer.start()
    server.end_by(signal.SIGTERM)
    timer.join()
    assert int(pending[0], 16) == 0
    assert server.until(server.gone)


PEEKS = """
while True:
    connection = listener.accept()[0]
    edges = select.epoll()
    edges.register(connection, select.EPOLLIN | select.EPOLLET)
    while b"\\r\\n\\r\\n" not in connection.recv(65536, socket.MSG_PEEK):
        edges.poll()
    serve(connection)
"""


def test_a_piece_that_the_kernel_holds_back(grading):
    """A server that peeks leaves bytes unread; the next piece may be on its way for all that.

    Here our own kernel holds it for 200 ms, tcp(7) TCP_CORK; a late acknowledgement does the same, or a choked machine.
    """
    server = grading(BEGIN + LISTEN + PEEKS).start()
    client = server.client()
    client.send(b"GET / HT")
    server.settle(lambda: server.has_read(client))
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    client.send(b"TP/1.1\r\nHost: a\r\n\r\n")
    outcome = server.until(lambda: client.replies)
    assert outcome, outcome.why


def test_a_full_window_is_not_under_way(grading):
    """What does not fit into the window of a server that reads no more is not on its way: being stuck is proven."""
    server = grading(BEGIN + LISTEN + "kept = []\nwhile True:\n    kept.append(listener.accept()[0])\n").start()
    client = server.client()
    client.send(bytes(8 << 20))
    outcome = server.until(lambda: client.replies)
    assert outcome.proven and AT_REST in outcome.why and client.unacknowledged()


IS_STUCK = {
    "recv": (
        LISTEN + LOOP,
        r"asleep in (recvfrom|read) on descriptor \d+: client #1's socket, which has .*; nothing unread",
    ),
    "accept": (
        LISTEN + "kept = []\nwhile True:\n    kept.append(listener.accept()[0])\n",
        r"asleep in accept4? on descriptor \d+: the listener, its backlog empty",
    ),
    "epoll": (
        LISTEN + "kept = []\nepoll = select.epoll()\nepoll.register(listener, 1)\n"
        "while True:\n    epoll.poll()\n    kept.append(listener.accept()[0])\n",
        r"asleep in epoll_p?wait on descriptor \d+: an epoll descriptor$",
    ),
    "select": (
        LISTEN
        + "kept = []\nwhile True:\n    select.select([listener], [], [])\n    kept.append(listener.accept()[0])\n",
        r"asleep in p?select6?$",
    ),
    "deadlock of two threads": (
        LISTEN + "one, two = threading.Lock(), threading.Lock()\nboth = threading.Barrier(2)\n"
        "def cross(first, second):\n    with first:\n        both.wait()\n        with second:\n            pass\n"
        "kept = listener.accept()[0]\n"
        "threading.Thread(target=cross, args=(one, two)).start()\ncross(two, one)\n",
        r"asleep in futex \(a lock, or a join\)",
    ),
    "wait4": (
        LISTEN + "while True:\n    connection = listener.accept()[0]\n    pid = os.fork()\n"
        "    if pid == 0:\n        serve(connection)\n        os._exit(0)\n"
        "    connection.close()\n    os.waitpid(pid, 0)\n",
        r"asleep in wait4, waiting for a child",
    ),
    "FIFO": (
        LISTEN + "connection = listener.accept()[0]\nos.mkfifo('fifo')\nopen('fifo', 'rb')\n",
        r"asleep in open(at)?\b",
    ),
    "pipe of its own": (
        LISTEN + "connection = listener.accept()[0]\nr, w = os.pipe()\nos.read(r, 1)\n",
        r"asleep in read on descriptor \d+: pipe:",
    ),
}


def has_wchan():
    """Whether this kernel names the function that a thread sleeps in."""
    read, write = os.pipe()
    thread = threading.Thread(target=os.read, args=(read, 1))
    thread.start()
    end = time.monotonic() + 2
    try:
        while time.monotonic() < end:
            if "pipe" in Proc().read(os.getpid(), "task", thread.native_id, "wchan"):
                return True
        return False
    finally:
        os.write(write, b".")
        thread.join()
        os.close(read)
        os.close(write)


@pytest.mark.parametrize("name", IS_STUCK)
def test_is_stuck(grading, name):
    """A server that sleeps until a client acts is proven stuck, not timed out, and the places are named."""
    if name == "FIFO" and not has_wchan():
        pytest.skip("this kernel does not name the function that a thread sleeps in")
    text, place = IS_STUCK[name]
    server = grading(BEGIN + text).start()
    server.client().send(request("/")[:-2])
    asking = server.ask("/")
    outcome = server.until(lambda: asking.received)
    assert not outcome and outcome.proven
    assert outcome.why.startswith(AT_REST) and server.prover.at_rest
    stood = evidence.where_it_stands(server.launch, server.known)
    assert any(re.search(place, line) for line in stood), stood


def test_a_cause_is_named_of_those_who_slept_on(grading):
    """Who has run since the look before may be about to go on: nothing is said of what it waits for."""
    server = grading(BEGIN + IS_STUCK["wait4"][0]).start()
    server.client().send(request("/")[:-2])
    asking = server.ask("/")
    assert not server.until(lambda: asking.received)
    still = look(server.launch.proc, server.launch.family)
    ran = Look(still.processes, {key: replace(task, switches=-1) for key, task in still.tasks.items()})
    causes = [evidence.Moment(server.launch, server.known, before=before).cause("", []) for before in (still, ran)]
    assert causes[0].startswith("the main thread waits for a child") and causes[1] == ""


def test_stuck_in_send(grading):
    """A server that sends to a client that does not read is proven stuck; once it reads, it is not."""
    text = LISTEN + "connection = listener.accept()[0]\nconnection.sendall(bytes(64 << 20))\ntime.sleep(1000)\n"
    server = grading(BEGIN + text).start()
    client = server.client(window=4096)
    client.reading = False
    outcome = server.until(lambda: False)
    assert outcome.proven and outcome.why.startswith(AT_REST)
    client.read_on()
    assert server.until(lambda: client.received > 1 << 20)


def test_spinning_server(grading, monkeypatch):
    """A server that spins is called stuck for its own CPU time, and the words say how much it was."""
    monkeypatch.setattr(rounds, "SPIN", 1.0)
    listens = "listener.setblocking(False)\nwhile True:\n    try:\n        listener.recv(1)\n"
    server = grading(BEGIN + LISTEN + listens + "    except OSError:\n        pass\n").start()
    client = server.ask("/")
    outcome = server.until(lambda: client.received)
    assert outcome.proven and "kept going round" in outcome.why and not server.prover.at_rest
    assert "while 62 s passed on its clock" in outcome.why


SLOW_TO_CLOSE = """
listener.setblocking(False)
kept = []
while True:
    time.sleep(0.001)
    kept = [(since, each) for since, each in kept if time.monotonic() < since + 3 or each.close()]
    try:
        connection = listener.accept()[0]
    except BlockingIOError:
        continue
    connection.setblocking(True)
    again = connection.dup()
    serve(connection)
    kept.append((time.monotonic(), again))
"""


def test_what_is_due_by_its_own_clock_comes(grading):
    """A server that naps a millisecond at a time and ends a connection after three seconds is given its time."""
    server = grading(BEGIN + LISTEN + SLOW_TO_CLOSE).start()
    client = server.ask("/")
    assert server.until(lambda: client.replies)
    outcome = server.until(lambda: client.ended)
    assert outcome, outcome.why
    assert 3 < server.launch.clock.ahead < 60


def test_a_minute_by_longer_naps(grading):
    """The clock is set forward at the deadline too, for one that naps too long to have many turns."""
    naps = SLOW_TO_CLOSE.replace("sleep(0.001)", "sleep(0.2)").replace("since + 3", "since + 40")
    server = grading(BEGIN + LISTEN + naps).start()
    client = server.ask("/")
    assert server.until(lambda: client.replies)
    outcome = server.until(lambda: client.ended, 5)
    assert outcome, outcome.why


COMPUTES = """
def pause():
    end = time.process_time() + 2
    while time.process_time() < end:
        sum(range(100_000))
"""
SLICES = "threading.Thread(target=lambda: [time.sleep(0.001) for _ in range(100_000)], daemon=True).start()\n"


@pytest.mark.parametrize("name", ["before it listens", "for an answer", "in slices"])
def test_computing(grading, monkeypatch, name):
    """A server that computes longer than one may spin, or than the deadline, is waited for."""
    monkeypatch.setattr(rounds, "SPIN", 0.3)
    text = {"before it listens": "pause()\n" + LISTEN + "def pause(): pass\n", "for an answer": LISTEN}
    server = grading(BEGIN + COMPUTES + text.get(name, SLICES + LISTEN) + LOOP).start()
    client = server.ask("/")
    outcome = server.until(lambda: client.replies, 0.5)
    assert outcome, outcome.why


def test_computing_for_ever(grading, monkeypatch):
    """One that computes and never answers is given up all the same."""
    monkeypatch.setattr(rounds, "COMPUTING", 2.0)
    server = grading(BEGIN + LISTEN + "listener.accept()\nwhile True:\n    pass\n").start()
    client = server.ask("/")
    outcome = server.until(lambda: client.replies)
    assert outcome.proven and "kept going round" in outcome.why


RINGS = """
connection = listener.accept()[0]
connection.setsockopt(socket.IPPROTO_TCP, 18, 9000)
libc = ctypes.CDLL(None)
class Spec(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in ("every", "every_ns", "first", "first_ns")]
libc.timerfd_settime(libc.timerfd_create(1, 0), 0, ctypes.byref(Spec(7, 0, 500, 0)), None)
signal.alarm(33)
connection.recv(10)
connection.settimeout(40)
connection.recv(10)
"""


def test_what_the_kernel_keeps_time_for(grading):
    """Timer descriptors, TCP's patience and calls that end by themselves are seen; so is an alarm."""
    server = grading(BEGIN + LISTEN + RINGS).start()
    client = server.client()
    client.send(b"x")
    server.settle(lambda: len(server.tasks()[0].args) and server.tasks()[0].call == "poll")
    found = running(server.launch.proc, server.tasks(), {server.row(client).inode})
    assert {7.0, 9.0, 40.0} <= set(found) and any(490 < seconds <= 500 for seconds in found)
    assert server.launch.clock.alarm == 33


def test_nothing_is_proven_in_naps(grading):
    """A server that naps again and again is left to the deadline, and the words say that it was the deadline."""
    server = grading(BEGIN + LISTEN + "while True:\n    time.sleep(0.2)\n").start()
    client = server.ask("/")
    outcome = server.until(lambda: client.received, patience=1)
    assert not outcome.proven and "the deadline has passed: 1 s in which nothing changed" in outcome.why


def test_a_sleeper_that_goes_on_while_it_is_looked_at(tree, monkeypatch):
    """What is read of a thread that leaves its nap meanwhile says nothing: a third look tells."""
    nap = ("clock_nanosleep", 1, 1, POINTER)
    one = prover(tree.thread(PID, *nap))

    def stale(pid, address):
        tree.thread(PID, *nap, voluntary=99)
        return 1e12

    assert "asleep" in looks(prover(tree.memory(PID, POINTER, 1e12)))
    monkeypatch.setattr(one.proc, "timespec", stale)
    assert looks(one) == ""


def rest(tree, turns=5):
    proc = MadeUpProc(tree.root)
    return proof.Rest(proc, proc.processes, turns)


def test_rest(tree):
    """At rest is who sleeps on, has napped so many times, or has had CPU time for as many rounds."""
    one = rest(tree.thread(PID, "pause"))
    assert [one.check(), one.check()] == [False, True]
    nap = ("clock_nanosleep", 0, 0, POINTER)
    one = rest(tree.memory(PID, POINTER, 0.01).thread(PID, *nap, voluntary=7))
    assert [one.check(), one.check()] == [False, False]
    for voluntary in (11, 12):
        tree.thread(PID, *nap, voluntary=voluntary)
        assert one.check() == (voluntary == 12)
    one = rest(tree.thread(PID, "running", state="R").process(PID, state="R", ticks=100))
    assert [one.check(), one.check()] == [False, False]
    tree.process(PID, state="R", ticks=100 + os.sysconf("SC_CLK_TCK"))
    assert one.check()


def test_one_that_leaves_its_nap_while_it_is_looked_at_is_not_at_rest(tree, monkeypatch):
    """The time-out that was read then is not that of the sleep that was seen."""
    nap = ("clock_nanosleep", 0, 0, POINTER)
    naps = iter(range(8, 99))

    def stale(pid, address):
        tree.thread(PID, *nap, voluntary=next(naps))
        return 1e12

    one = rest(tree.memory(PID, POINTER, 0.01).thread(PID, *nap))
    assert not one.check()
    monkeypatch.setattr(one.proc, "timespec", stale)
    assert [one.check(), one.check(), one.check()] == [False] * 3


def test_a_nap_beyond_the_deadline(grading):
    """A server in a nap that ends long after the deadline is not waited for."""
    server = grading(BEGIN + LISTEN + "time.sleep(100_000)\n").start()
    client = server.ask("/")
    outcome = server.until(lambda: client.received)
    assert not outcome and "the deadline" not in outcome.why


def test_the_end_is_proof(grading):
    """A server that ends is waited for no longer."""
    server = grading(BEGIN + LISTEN + "listener.accept()\nsys.exit(3)\n").start()
    client = server.ask("/")
    outcome = server.until(lambda: client.replies)
    assert outcome.proven and outcome.why == "the server has ended"


def test_a_state_that_holds_is_never_denied(grading):
    """What holds when the proof comes is true: the condition is asked once more."""
    server = grading(BEGIN + LISTEN + LOOP).start()
    server.client()
    asked = []
    assert server.until(lambda: asked.append(1) or server.prover.at_rest)
    assert len(asked) > 1
