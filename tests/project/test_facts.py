"""What the kernel tells of a server beyond the moment: who has come and gone, what is open, who watches whom."""

import os
import select
import subprocess
import sys

import pytest
import tools
from made_up import MadeUpProc, Tree
from tools import until

from grader.client import request
from grader.holdings import event_words
from grader.kernel import Proc
from grader.traces import Newcomers, Traces, last_pid_tells, others

RIGHT = tools.HERE / "right"


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path / "proc")


# Those that have come and gone: made-up counters


def made_up(tree, process, *threads, clock=None, children=0):
    """The traces of process 9 with these faults, and (faults, nanoseconds) of each living thread."""
    proc = MadeUpProc(tree.root)
    count(tree, proc, process, *threads, clock=clock, children=children)
    return proc, Traces(proc, 9, {})


def count(tree, proc, process, *threads, clock=None, children=0):
    tree.spent(9, process, children=children)
    for tid, (faults, nanoseconds) in enumerate(threads, 9):
        tree.spent(9, faults, tid=tid, nanoseconds=nanoseconds)
    proc.clock = clock


def test_faults_of_the_dead(tree):
    """What the process has and no living thread has was a dead thread's; what was there before is no matter."""
    proc, traces = made_up(tree, 150, (100, None), (20, None))
    assert not traces.threads()
    count(tree, proc, 180, (130, None), (20, None))
    assert not traces.threads()
    count(tree, proc, 181, (130, None), (20, None))
    assert traces.threads()


def test_time_of_the_dead(tree):
    """CPU time tells the same where there was no fault; a clock that is not to be had proves nothing."""
    proc, traces = made_up(tree, 100, (100, 5000), clock=5000)
    assert not traces.threads()
    count(tree, proc, 100, (100, 6000), clock=6000)
    assert not traces.threads()
    count(tree, proc, 100, (100, 6000), clock=6001)
    assert traces.threads()
    proc.clock = None
    assert not traces.threads()


@pytest.mark.parametrize("timer", ["27", "26", "timers", "limits"])
def test_clock_of_a_timer(tree, timer):
    """A clock on which a timer may run is not believed."""
    proc, traces = made_up(tree, 100, (100, 5000), clock=5000)
    if timer.isdigit():
        tree.write(f"SigCgt:\t{1 << (int(timer) - 1):016x}\n", 9, "status")
    elif timer == "timers":
        tree.write("ID: 0\n", 9, "timers")
    else:
        tree.write("Max cpu time              60                   unlimited            seconds\n", 9, "limits")
    proc.clock = 9000
    assert not traces.threads()


def test_what_cannot_be_read_proves_nothing(tree):
    """A thread whose file cannot be read, or no thread at all, before or now."""
    proc, traces = made_up(tree, 100, (100, 10), clock=10)
    (tree.root / "9" / "task" / "12").mkdir()
    proc.clock = 99
    assert not traces.threads() and not Traces(proc, 9, {}).threads()
    assert not Traces(proc, 8, {}).threads()
    tree.spent(8, 70)
    assert not Traces(proc, 8, {}).threads()
    tree.write("Max cpu time              unlimited            unlimited            seconds\n", 9, "limits")
    (tree.root / "9" / "task" / "12").rmdir()
    assert traces.threads()


def test_faults_of_children(tree):
    """A child that was waited for adds its faults; those of before do not count."""
    proc, traces = made_up(tree, 100, (100, 1), children=40)
    assert traces.children({}) == 0
    count(tree, proc, 100, (100, 1), children=41)
    assert traces.children({}) == 1


def test_zombies_and_dead_orphans(tree):
    """Zombies of the family and orphans that the grader has adopted count one by one; the living do not."""
    tree.process(9).process(10, parent=9, state="Z")
    proc = Proc(tree.root)
    traces = Traces(proc, 9, proc.processes())
    assert traces.children(proc.processes()) == 0
    tree.process(11, parent=9, state="Z").process(12, parent=os.getpid(), state="Z").process(13, parent=9)
    tree.process(10, parent=9, state="Z", started=500)  # a namesake
    assert traces.children(proc.processes()) == 3


def ran(tree, pid, tid, times, state="S"):
    """A thread that has begun to run so often."""
    tree.thread(pid, "futex", tid=tid, state=state)
    tree.write(f"100 0 {times}\n", pid, "task", tid, "schedstat")


def test_others(tree):
    """All but one: who has run, who is there, who has ended; and whether everybody sleeps."""
    tree.process(9).process(10, parent=9)
    proc = Proc(tree.root)
    for tid in (9, 11):
        ran(tree, 9, tid, 1)
    ran(tree, 10, 10, 1)
    look = lambda *but: others(proc, proc.processes(), *but)  # noqa: E731
    without, but_a_thread = look(9), look(9, 9)
    assert (
        without.asleep and without.threads.keys() == {(10, 10)} and but_a_thread.threads.keys() == {(9, 11), (10, 10)}
    )
    ran(tree, 9, 9, 2)
    assert look(9) == without and look(9, 9) == but_a_thread
    ran(tree, 9, 11, 2)
    assert look(9) == without and look(9, 9) != but_a_thread
    ran(tree, 10, 10, 2)
    assert look(9) != without
    ran(tree, 10, 10, 1)
    assert look(9) == without
    ran(tree, 9, 9, 2, state="R")
    assert look(9) == without and not look(9).asleep
    tree.process(12, parent=9, state="Z")
    assert look(9) != without


def member(tree, pid, parent, process=None):
    tree.write(f"Name:\tx\nTgid:\t{process or pid}\nPPid:\t{parent}\n", pid, "status")


def given(tree, number):
    tree.write(f"0.00 0.01 0.05 1/99 {number}\n", "loadavg")


def test_newcomers(tree):
    """Nobody, a stranger's child and thread, somebody who was not seen alive, one of the family."""
    tree.process(9).process(20)
    proc = Proc(tree.root)

    def newcomers(last):
        given(tree, 30)
        found = Newcomers(proc, lambda: {9: proc.process(9)})
        given(tree, last)
        found.note()
        return found

    assert newcomers(30).nobody()
    member(tree, 31, parent=20)
    member(tree, 32, parent=1, process=20)
    member(tree, 33, parent=31)
    assert newcomers(33).nobody()
    assert not newcomers(34).nobody() and not newcomers(29).nobody()
    member(tree, 34, parent=os.getpid())
    assert not newcomers(34).nobody() and not newcomers(34).ours
    member(tree, 34, parent=9)
    assert newcomers(34).ours and not newcomers(34).nobody()
    member(tree, 34, parent=1, process=9)
    assert newcomers(34).ours and not newcomers(34).nobody()


def test_a_last_number_that_is_made_up(tree):
    """Where a file system makes it up, nothing is proven by it."""
    assert not last_pid_tells(Proc(tree.root))
    given(tree, 0)
    assert not last_pid_tells(Proc(tree.root))


# The same on the real kernel

BEGIN = """import _thread, multiprocessing, os, signal, subprocess, sys, threading
def say():
    print(1, flush=True)
    sys.stdin.readline()
def alone():
    while len(os.listdir("/proc/self/task")) > 1:
        pass
"""
NOBODY, A_THREAD, A_CHILD = (False, 0), (True, 0), (False, 1)
GUESTS = {
    "nobody": ("open('/proc/self/stat').read()", NOBODY),
    "a thread": ("t = threading.Thread(target=int)\nt.start()\nt.join()", A_THREAD),
    "a bare thread": ("_thread.start_new_thread(int, ())\nalone()", A_THREAD),
    "fork and wait": ("pid = os.fork()\nif not pid:\n    os._exit(0)\nos.waitpid(pid, 0)", A_CHILD),
    "a program": ("subprocess.run([sys.executable, '-S', '-c', ''])", A_CHILD),
    "posix_spawn": (
        "os.waitpid(os.posix_spawn(sys.executable, ['python', '-S', '-c', ''], dict(os.environ)), 0)",
        A_CHILD,
    ),
    "multiprocessing": (
        "p = multiprocessing.get_context('fork').Process(target=int)\np.start()\np.join()",
        A_CHILD,
    ),
    "a grandchild": ("if not os.fork():\n    os._exit(0 if os.fork() else 0)\nos.wait()", A_CHILD),
    "a child that nobody need wait for": (
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\nif not os.fork():\n    os._exit(0)\n"
        "try:\n    os.wait()\nexcept ChildProcessError:\n    pass",
        NOBODY,  # there is no trace of it
    ),
}


class Program:
    """A program that does something whenever it is told to go on."""

    def __init__(self, text):
        self.popen = subprocess.Popen(
            [sys.executable, "-c", BEGIN + text], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.popen.stdout.readline()

    def go_on(self):
        self.popen.stdin.write("\n")
        self.popen.stdin.flush()
        assert self.popen.stdout.readline()


@pytest.fixture
def program():
    started = []

    def start(text):
        started.append(Program(text))
        return started[-1]

    yield start
    for each in started:
        each.popen.kill()
        each.popen.communicate()


@pytest.mark.parametrize("name", GUESTS)
def test_guests(program, name):
    """Whoever comes and goes in a process is known by what is left of it, and nobody is where nobody was."""
    code, (thread, children) = GUESTS[name]
    running = program(f"say()\n{code}\nsay()\n{code}\nsay()\n")
    traces = Traces(Proc(), running.popen.pid, {})
    for _ in range(2):
        running.go_on()
        if thread:  # join() is over before the thread is
            until(traces.threads, "the trace of a thread")
        assert (traces.threads(), traces.children({})) == (thread, children)


def test_a_stack_that_is_used_again(program):
    """A second thread may not have one fault, since it has the stack of the first; it has used the processor."""
    code = (
        "lock = threading.Lock()\nlock.acquire()\n_thread.start_new_thread(lock.release, ())\nlock.acquire()\nalone()\n"
    )
    running = program(f"{code}say()\n{code}say()\n")
    traces = Traces(Proc(), running.popen.pid, {})
    if traces.base[0].nanoseconds is None:
        pytest.skip("this kernel does not tell CPU time exactly")
    running.go_on()
    assert traces.threads()


ALONE = [
    *(tools.REPOSITORY / "solutions" / step / "server.py" for step in ("01_blocking", "05_nonblocking", "07_epoll")),
    RIGHT / "01_blocking" / "asyncio_in_a_row.py",
    RIGHT / "05_nonblocking" / "asyncio_without_epoll.py",
    RIGHT / "07_epoll" / "asyncio_streams.py",
]


@pytest.fixture
def start(grading):
    """A server of the corpus or of ours that listens, by its path or its text."""

    def started(source, step="03_multithread"):
        text = source if isinstance(source, str) else source.read_text("utf-8")
        return grading(text, step if isinstance(source, str) else source.parent.name).start()

    return started


def page(server, target="/page1.txt"):
    assert server.serves(server.ask(target, headers=("Connection: close",)), target)
    server.leave()


@pytest.mark.parametrize("path", ALONE, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_who_serves_alone(start, path):
    """A server of one thread and no child shows no trace of any, while it serves and after."""
    server = start(path)
    for _ in range(10):
        client = server.ask("/large.bin", headers=("Connection: close",))
        while not client.replies and not client.ended:
            server.pump(0.001)
            assert (server.passing_threads(), server.passing_children()) == (0, 0)
        server.leave()
        page(server)
    assert (server.passing_threads(), server.passing_children()) == (0, 0)


def test_a_thread_and_a_process_for_each(start):
    """Where each client has a thread of its own, threads have passed; where it has a process, children have."""
    for step, threads, children in (("03_multithread", 1, False), ("02_multiprocess", 0, True)):
        server = start(tools.REPOSITORY / "solutions" / step / "server.py")
        page(server)
        page(server)
        until(lambda server=server: server.passing_threads() or server.passing_children(), "a trace")
        assert server.passing_threads() == threads and bool(server.passing_children()) == children


def test_two_forks(start):
    """The one between was waited for, and the grandchild stays a zombie of the grader's when it has ended."""
    server = start(RIGHT / "02_multiprocess" / "double_fork.py")
    page(server)
    until(lambda: server.passing_children() >= 2, "both dead")


# Who holds a client, and what watches it


def solution(step):
    return tools.REPOSITORY / "solutions" / step / "server.py"


def test_masks(start):
    """For what a client is watched: for its request, then for room; not at all where there is no epoll."""
    server = start(solution("07_epoll"))
    client = server.client()
    until(lambda: server.watched_events(client), "the client watched")
    assert server.watched_events(client) & (select.EPOLLIN | select.EPOLLOUT) == select.EPOLLIN
    assert len(server.root.big)
    client.stop_reading()
    client.send(request("/big.bin"))
    until(lambda: server.watched_events(client) & select.EPOLLOUT, "the client watched for room")
    assert "epoll watches it for EPOLLOUT" in server.holder_of(client)
    server.leave()
    until(lambda: server.watched_events(client) is None, "no watch")
    other = start(solution("05_nonblocking"))
    client = other.client()
    until(lambda: other.holders(client), "the client accepted")
    assert other.watched_events(client) is None


@pytest.mark.parametrize("name", ["epoll_in_epoll", "watched_through_a_copy"])
def test_odd_watches(start, name):
    """A client that an inner epoll watches, or that is watched by another number than the one it is read by."""
    server = start(RIGHT / "07_epoll" / f"{name}.py")
    client = server.client()
    until(lambda: server.watched_events(client), "the client watched")
    assert server.watched_events(client) & select.EPOLLIN


def test_words_of_a_mask():
    """A mask by its names; one that has fired and is not armed again."""
    assert event_words(0x19) == "EPOLLIN" and event_words(0x8000001D) == "EPOLLIN and EPOLLOUT"
    assert event_words(0x40000000) == "nothing until it is armed again" and event_words(0x18) == "errors only"


def words(server, client, wanted):
    """What is said of a client's holder, once it is that."""
    return until(lambda: (said := server.holder_of(client)) and wanted in said and said, f"the words {wanted}")


def test_holders(start):
    """Whose a client's socket is, by which number, and what is done with it."""
    server = start(solution("01_blocking"))
    first, second = server.client(), server.client()
    text = words(server, first, "and the main process is in recv")
    assert text.startswith("held by the main process (descriptor ") and text.endswith(" on it")
    assert words(server, second, "accepted") == "accepted by nobody"
    server.leave()
    assert words(server, first, "held by no") == "held by no process"

    server = start(solution("02_multiprocess"))
    client = server.client()
    until(lambda: server.holders(client) and server.main not in server.holders(client), "the child's alone")
    text = words(server, client, "is in recv")
    (child,) = server.living().keys() - {server.main}
    assert text.startswith(f"held by process {child} (descriptor ") and f"process {child} is in recv" in text

    server = start(solution("07_epoll"))
    assert words(server, server.client(), "EPOLLIN").endswith(
        "and no thread is in a call on it; epoll watches it for EPOLLIN"
    )


# Clients' sockets, and others

SPARE = """
import socket, sys
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
listener = socket.create_server((given["--host"], int(given["--port"])))
first = listener.accept()[0]
spare = [socket.socket(), socket.socket(socket.AF_INET6), socket.socket(socket.AF_UNIX)]
first.send(b"x")
listener.accept()[0].recv(1)
listener.accept()
"""


def test_dead_and_spare_sockets(start):
    """A connection that was reset is a client's as long as it is held; a socket that never was one is nobody's."""
    server = start(SPARE)
    client = server.client()
    until(lambda: (server.pump(0), client.received)[1], "its byte")
    assert server.client_descriptors() == 1
    until(lambda: server.row(client), "its row")
    client.reset()
    until(lambda: server.row(client) is None or server.row(client).inode == 0, "the reset")
    assert server.client_descriptors() == 1
    server.leave()
    server.client()
    until(lambda: server.client_descriptors() == 2, "the second")


# What SIGSTOP would cut short


@pytest.mark.parametrize("path, waits", ((RIGHT / "03_multithread" / "spliced_and_peeked.py", True), (None, False)))
def test_who_waits_for_more_is_not_stopped(start, path, waits):
    """A peek that waits for more than there is returns what there is on a signal; other calls are begun again."""
    server = start(path or solution("03_multithread"))
    client = server.client()
    client.send(request("/page1.txt")[:20])
    server.settle(lambda: len(server.tasks()) > 1)
    server.come_to_rest()
    assert server.waits_for_more() == waits
    with server.stopped():
        client.send(request("/page1.txt")[20:])
    server.serves(client, "/page1.txt")


# Greenlets


def test_greenlets_come_and_go(start):
    """One more for each client, none when they are gone; who has been asked goes on with a large answer."""
    server = start(solution("04_gevent"))
    page(server)
    server.come_to_rest()  # the page's own is gone
    before = server.greenlets()
    assert before is not None and before > 0
    slow = server.ask("/large.bin", headers=("Connection: close",))
    crowd = [server.client() for _ in range(9)]
    until(lambda: server.greenlets() >= before + 9, "nine greenlets")
    for client in crowd:
        client.send(request("/page1.txt"))
    for client in crowd:
        assert server.greenlets() is not None
        server.serves(client, "/page1.txt")
    server.serves(slow, "/large.bin")
    server.leave()
    until(lambda: server.greenlets() == before, "no greenlet of theirs")


@pytest.mark.parametrize("path", sorted(RIGHT.glob("04_gevent/*.py")), ids=lambda path: path.stem)
def test_greenlets_of_others(start, path):
    """Each right server tells how many it has, asked again and again, and serves as before.

    One whose main thread waits in sigwait(3) for ever cannot: Python's handlers run in that thread.
    """
    server = start(path)
    client = server.client()
    client.send(b"GET /page1.txt HT")
    until(lambda: server.holders(client), "the client accepted")
    for _ in range(5):
        assert (server.greenlets() is None) == (path.stem == "hub_beside_main")
    client.send(b"TP/1.1\r\nHost: a\r\n\r\n")
    server.serves(client, "/page1.txt")
    server.leave()
    page(server)


def test_no_greenlets(start):
    """A server without gevent has none; one that has thrown the handler away does not say."""
    assert start(solution("03_multithread")).greenlets() == 0
    deaf = "import argparse\nimport signal\nsignal.signal(59, signal.SIG_IGN)\n"
    deaf = tools.solution("03_multithread").replace("import argparse\n", deaf, 1)
    assert start(deaf).greenlets() is None


# Which listener is the server's

TWO = """
import http.server, socket, sys, threading
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
class Site(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *args):
        super().__init__(*args, directory=given["--root"])
class Nothing(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(404)
port = int(given["--port"])
servers = [http.server.HTTPServer(("127.0.0.1", 0), Nothing), http.server.HTTPServer(("127.0.0.1", port), Site)]
servers = servers[:: int(ORDER)]
silent = socket.create_server(("127.0.0.1", 0))
for server in servers:
    threading.Thread(target=server.serve_forever).start()
"""


@pytest.mark.parametrize("order", ["1", "-1"])
@pytest.mark.parametrize("port", ["0", "asked for"])
def test_second_ports(grading, order, port):
    """Of three listeners, one of them deaf, the one that serves the site is taken, and nobody has been there."""
    run = grading(TWO.replace("ORDER", order), "03_multithread")
    if port == "asked for":
        from test_launch import free_port

        port = str(free_port())
    server = run.start("--port", port)
    assert server.known == [] and server.named == 0
    assert port in ("0", str(server.launch.listener.address[1]))
    page(server)


def test_no_listener_serves(grading):
    """Where none serves the site, it is the first one, and the checks will say what is wrong with it."""
    text = "import socket, time\nkept = [socket.create_server(('127.0.0.1', 0)) for _ in range(3)]\ntime.sleep(1000)\n"
    server = grading(text).start()
    first = min(number for (_, number), target in server.table().items() if target.startswith("socket:"))
    assert server.table()[server.main, first] == f"socket:[{server.launch.listener.inode}]"


def test_a_listener_that_is_gone(grading):
    """One that listens for a moment is not taken: the one that is there when the server has come to rest is."""
    text = """
import os, socket, subprocess, sys, time
door = socket.create_server(("127.0.0.1", 0))
subprocess.run([sys.executable, "-c", "for number in range(3_000_000): pass"])
near, far = socket.create_connection(door.getsockname()), door.accept()[0]
door.close()
listener = socket.create_server(("127.0.0.1", 0))
time.sleep(1000)
"""
    server = grading(text).start()
    assert len(server.launch.doors()) == 1 and server.listens()


def test_two_families_at_one_port(grading):
    """A listener of IPv4 and one of IPv6 at the same port are one: that of IPv4."""
    text = """
import socket, time
four = socket.create_server(("127.0.0.1", 0))
try:
    six = socket.create_server(("::1", four.getsockname()[1]), family=socket.AF_INET6)
except OSError:
    pass
time.sleep(1000)
"""
    server = grading(text).start()
    assert server.launch.listener.address[0] == "127.0.0.1" and len(server.launch.doors()) == 1
