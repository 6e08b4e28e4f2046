"""What the grader reads of /proc and of sockets: made-up trees, and the real kernel asked in two ways."""

import os
import select
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from made_up import NUMBERS, Tree
from tools import REPOSITORY, until

from grader import kernel
from grader.copies import HeldSockets
from grader.kernel import Proc, ProcSockets, Socket


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path / "proc")


# Made-up trees


@pytest.mark.parametrize("name", ["python", "a b", "(sd-pam)", "x) S 1 1 1", ":-) (-:", "", "a\nb", "é中"])
def test_names_of_processes(tree, name):
    """A process may be called anything: spaces, brackets, line ends, something that looks like the rest."""
    tree.process(42, name=name, state="D", parent=7, session=40, ticks=250, started=1234)
    found = Proc(tree.root).process(42)
    assert (found.pid, found.name, found.state, found.parent, found.session) == (42, name, "D", 7, 40)
    assert found.started == 1234 and found.cpu == pytest.approx(250 * kernel.TICK)


def test_strangers(tree):
    """Processes older than a moment are left out of later looks; a namesake that comes later is not."""
    for pid, started in ((5, 99), (6, 100), (7, 101)):
        tree.process(pid, started=started)
    proc = Proc(tree.root)
    strangers = proc.started_before(100)
    assert proc.processes().keys() == {5, 6, 7} and proc.processes(strangers).keys() == {6, 7}
    (tree.root / "5").rename(tree.root / "before")
    tree.process(5, started=200)
    assert proc.processes(strangers)[5].started == 200


def test_children_of_strangers(tree):
    """They are read once, and theirs too; a child of ours is read again and again."""
    tree.process(5, started=99).process(os.getpid(), started=99)
    proc = Proc(tree.root)
    strangers = proc.started_before(100)
    tree.process(8, parent=5).process(9, parent=os.getpid()).process(10, parent=9)
    assert proc.processes(strangers).keys() == {8, 9, 10}
    tree.process(11, parent=8)
    assert proc.processes(strangers).keys() == {9, 10, 11} and proc.processes(strangers).keys() == {9, 10}


def test_what_has_vanished(tree):
    """What is not there (any more) reads as absent: a process, a thread, a file, a folder, a link."""
    proc = Proc(tree.root)
    assert proc.process(1) is None and proc.processes() == {} and proc.tasks(1) == []
    assert proc.task(1, 1) is None and proc.call(1, 1) == (None, ())
    assert proc.descriptors(1) == {} and proc.flags(1, 0) == 0 and proc.watched(1, 0) == {}
    assert not proc.catches(1, signal.SIGINT) and proc.read("net", "tcp") == "" and proc.numbers(1, "fd") == []
    (tree.root / "5" / "task" / "5").mkdir(parents=True)  # between two reads: folders without files
    (tree.root / "5" / "fd").mkdir()
    (tree.root / "5" / "fd" / "3").write_text("no link")
    tree.write("", 6, "stat")
    tree.write("7 (cut", 7, "stat")
    assert proc.processes() == {} and proc.tasks(5) == [] and proc.descriptors(5) == {}


def test_only_numbers_are_processes(tree):
    """/proc holds more than processes."""
    tree.process(10).process(9)
    for name in ("self", "net", "10x", "sys"):
        (tree.root / name).mkdir()
    assert list(Proc(tree.root).processes()) == [9, 10]


def test_threads(tree):
    """A thread's state letter and its switches of both kinds, each thread of its own."""
    tree.process(10).thread(10, "running", state="R", voluntary=5, involuntary=2)
    tree.thread(10, "running", tid=12, state="S", voluntary=8, involuntary=0)
    first, second = Proc(tree.root).tasks(10)
    assert (first.tid, first.state, first.voluntary, first.switches) == (10, "R", 5, 7)
    assert (second.pid, second.tid, second.state, second.switches) == (10, 12, "S", 8)


@pytest.mark.skipif("accept4" not in NUMBERS, reason="this machine's numbers are not known")
def test_calls(tree):
    """The system call of a thread by name, with its six arguments; by number where there is no name."""
    proc = Proc(tree.root)
    tree.thread(1, "accept4", 3, 0x7FFC, 0x10, 0x80000)
    assert proc.call(1, 1) == ("accept4", (3, 0x7FFC, 0x10, 0x80000, 0, 0))
    assert proc.task(1, 1).descriptor == 3
    tree.thread(1, 9999, 0xFFFFFFFFFFFFFFFF)
    assert proc.call(1, 1) == ("system call 9999", (0xFFFFFFFFFFFFFFFF, 0, 0, 0, 0, 0))
    tree.thread(1, "running")
    assert proc.call(1, 1) == ("running", ()) and proc.task(1, 1).descriptor == -1
    tree.thread(1, None)
    assert proc.call(1, 1) == (None, ())


def test_blocked_outside_of_a_call(tree):
    """A thread that sleeps and is in no system call, as in a page fault: the line is `-1 SP PC`."""
    tree.thread(1, "-1")
    name, args = Proc(tree.root).call(1, 1)
    assert name == "system call -1" and name not in NUMBERS
    assert len(args) == 2


def test_descriptors(tree):
    """What descriptors refer to, and their flags, an octal number."""
    tree.descriptor(1, 3, "socket:[55]", "pos:\t0\nflags:\t02004002\nmnt_id:\t9\nino:\t55\n")
    tree.descriptor(1, 10, "/tmp/a file (deleted)", "pos:\t0\nflags:\t0100000\nmnt_id:\t9\n")
    proc = Proc(tree.root)
    assert proc.descriptors(1) == {3: "socket:[55]", 10: "/tmp/a file (deleted)"}
    assert proc.flags(1, 3) & os.O_NONBLOCK and not proc.flags(1, 10) & os.O_NONBLOCK


def test_watch_lists(tree):
    """What an epoll watches, by inode and mask; lines of old kernels, without an inode, are passed over."""
    lines = "pos:\t0\nflags:\t02\nmnt_id:\t9\nino:\t1057\n"
    lines += "tfd:        5 events:       1d data:                5  pos:0 ino:61 sdev:8\n"
    lines += "tfd:       11 events: 80000005 data: ffffffffffffffff  pos:0 ino:a1b2 sdev:8\n"
    lines += "tfd:       12 events:        1 data:                0\n"
    lines += "tfd:       13 events:       19 data:               13 pos:0 ino:0 sdev:8\n"
    tree.descriptor(1, 4, "anon_inode:[eventpoll]", lines)
    assert Proc(tree.root).watched(1, 4) == {0x61: 0x1D, 0xA1B2: 0x80000005, 0: 0x19}


def test_handlers(tree):
    """Which signals have handlers: one bit each, the first for signal 1."""
    tree.process(1, caught={signal.SIGINT, signal.SIGCHLD, 64})
    proc = Proc(tree.root)
    caught = [number for number in range(1, 65) if proc.catches(1, number)]
    assert caught == [signal.SIGINT, signal.SIGCHLD, 64]


TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1ED2 00000000:0000 0A 00000000:00000003 00:00000000 00000000  1000        0 501 1 0 100 0 0 10 0
   1: 0100007F:1ED2 0100007F:C001 01 00000010:00000020 01:00000018 00000000  1000        0 502 2 0 20 4 30 10 -1
   2: 0100007F:1ED2 0100007F:C002 06 00000000:00000000 03:00001770 00000000     0        0 0 3 0
   3: 0100007F:1ED2 0100007F:C003 0C 00000000:00000000 00:00000000 00000000     0        0 0 1 0
"""
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr inode
   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 0:0 00:0 0  1000 0 601 1 0
   1: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000100007F:C004 08 0:0 00:0 0  1000 0 602 1 0
   2: 00000000000000000000000001000000:1F90 00000000000000000000000001000000:C005 01 0:0 00:0 0  1000 0 603 1 0
"""


@pytest.mark.skipif(sys.byteorder != "little", reason="the table is one of a little-endian machine")
def test_made_up_tables(tree):
    """/proc/net/tcp and tcp6: addresses, queues, states, mapped addresses, a half-open connection."""
    tree.write(TCP, "net", "tcp")
    tree.write(TCP6, "net", "tcp6")
    table, here = ProcSockets(Proc(tree.root)), "127.0.0.1"
    assert [(row.inode, row.address, row.unread) for row in table.listeners()] == [
        (501, (here, 0x1ED2), 3),
        (601, ("::", 0x1F90), 0),
    ]
    found = table.connection((here, 0x1ED2), (here, 0xC001))
    assert found == Socket(kernel.ESTABLISHED, 0x20, 0x10, 502, (here, 0x1ED2))
    assert table.connection((here, 0x1ED2), (here, 0xC002)).state == kernel.TIME_WAIT
    assert table.connection((here, 0x1ED2), (here, 0xC003)).state == kernel.SYN_RECV
    assert table.connection((here, 0x1F90), (here, 0xC004)).state == kernel.CLOSE_WAIT
    assert table.connection((here, 0x1ED2), (here, 0xC099)) is None


def test_tables_that_are_not_there(tree):
    """Without IPv6, or without any table, there are no sockets, and no error."""
    assert ProcSockets(Proc(tree.root)).listeners() == []
    tree.write(TCP, "net", "tcp")
    assert len(ProcSockets(Proc(tree.root)).listeners()) == 1


# The real kernel


@pytest.fixture
def ways():
    """Netlink and /proc/net/tcp."""
    try:
        netlink = kernel.NetlinkSockets()
    except OSError as error:
        pytest.skip(f"no netlink here: {error}")
    yield netlink, ProcSockets(Proc())
    netlink.netlink.close()


def alike(one, other):
    """Whether two rows tell the same, a mapped address taken for what it stands for."""
    if one is None or other is None:
        return one is other
    host, port = one.address
    return replace(one, address=(host.removeprefix("::ffff:"), port)) == other


class Pair:
    """A listener and connections to it; `both` asks in both ways until they agree on what is expected."""

    def __init__(self, ways, family=socket.AF_INET, host="127.0.0.1", **options):
        self.ways = ways
        if host.startswith("::ffff:"):  # create_server() would have it IPv6 only
            self.listener = socket.socket(family)
            self.listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            self.listener.bind((host, 0))
            self.listener.listen()
        else:
            self.listener = socket.create_server((host, 0), family=family, **options)
        self.address = ("127.0.0.1", self.listener.getsockname()[1])
        self.open = [self.listener]

    def connect(self):
        client = socket.create_connection(self.address)
        self.open.append(client)
        return client

    def accept(self):
        self.open.append(self.listener.accept()[0])
        return self.open[-1]

    def both(self, client_end, expected):
        """The server's side of a connection, seen alike in both ways once it is as expected."""

        def agree():
            rows = [way.connection(self.address, client_end) for way in self.ways]
            if alike(*rows) and expected(rows[0]):
                return [rows[0]]
            return None

        return until(agree, "both ways agree", 10)[0]

    def backlog(self, waiting):
        number = self.listener.getsockname()[1]

        def agree():
            rows = [[row for row in way.listeners() if row.address[1] == number] for way in self.ways]
            if rows[0] and rows[0][0].unread == waiting and rows[0][0].inode == rows[1][0].inode:
                return rows if rows[0][0].unread == rows[1][0].unread else None
            return None

        return until(agree, "both ways see the backlog", 10)[0][0]


@pytest.fixture
def pair(ways):
    made = []

    def make(**options):
        made.append(Pair(ways, **options))
        return made[-1]

    yield make
    for one in made:
        for each in one.open:
            each.close()


def inode(sock):
    return os.fstat(sock.fileno()).st_ino


def test_backlog(pair):
    """A listener's queue and its length; those in it are connected, and nobody holds them yet."""
    two = pair(backlog=7)
    assert two.backlog(0).inode == inode(two.listener)
    clients = [two.connect() for _ in range(3)]
    row = two.backlog(3)
    assert row.state == kernel.LISTEN and row.unsent == 7
    waiting = two.both(clients[0].getsockname(), lambda row: row and row.state == kernel.ESTABLISHED)
    assert waiting.inode == 0
    server = two.accept()
    assert two.backlog(2)
    assert two.both(clients[0].getsockname(), lambda row: row.inode == inode(server))


def test_unread_and_unsent(pair):
    """Bytes that wait to be read, and bytes that the client's kernel has not taken."""
    two = pair()
    client, server = two.connect(), two.accept()
    client.sendall(b"x" * 1234)
    assert two.both(client.getsockname(), lambda row: row.unread == 1234).inode == inode(server)
    server.recv(1000)
    two.both(client.getsockname(), lambda row: row.unread == 234)
    server.setblocking(False)
    sent = 0
    try:
        while True:
            sent += server.send(bytes(1 << 16))
    except BlockingIOError:
        pass
    row = two.both(client.getsockname(), lambda row: row.unsent > 0)
    assert 0 < row.unsent <= sent


def test_states(pair):
    """Each side closed first, half-closed, in TIME_WAIT, reset, and a connection that never was."""
    two = pair()
    client, server = two.connect(), two.accept()
    end = client.getsockname()
    client.shutdown(socket.SHUT_WR)
    assert str(two.both(end, lambda row: row.state == kernel.CLOSE_WAIT)) == "CLOSE_WAIT"
    server.close()
    client.close()
    two.both(end, lambda row: row is None)

    client, server = two.connect(), two.accept()
    end = client.getsockname()
    server.close()
    assert two.both(end, lambda row: row.state == kernel.FIN_WAIT2).inode == 0
    client.close()
    assert two.both(end, lambda row: row and row.state == kernel.TIME_WAIT).inode == 0

    client, server = two.connect(), two.accept()
    end = client.getsockname()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    two.both(end, lambda row: row is None or row.state == kernel.CLOSE)
    two.both(("127.0.0.1", 1), lambda row: row is None)


def test_mapped_addresses(pair):
    """An IPv6 listener for both families: its IPv4 clients are found by their IPv4 addresses."""
    if not socket.has_dualstack_ipv6():
        pytest.skip("no dual-stack sockets here")
    two = pair(family=socket.AF_INET6, host="::", dualstack_ipv6=True)
    client, server = two.connect(), two.accept()
    client.sendall(b"12345")
    row = two.both(client.getsockname(), lambda row: row and row.unread == 5)
    assert row.inode == inode(server) and row.state == kernel.ESTABLISHED
    assert two.backlog(0).address == ("::", two.address[1])


def test_listener_at_a_mapped_address(pair):
    """A listener at ::ffff:127.0.0.1 is told with its port, and its clients are found."""
    if not socket.has_dualstack_ipv6():
        pytest.skip("no dual-stack sockets here")
    two = pair(family=socket.AF_INET6, host="::ffff:127.0.0.1")
    client, server = two.connect(), two.accept()
    assert two.both(client.getsockname(), lambda row: row).inode == inode(server)
    assert two.backlog(0).address[0].removeprefix("::ffff:") == "127.0.0.1"


def test_mapped_addresses_are_told_alike(pair):
    """Both ways give a mapped address in the same form."""
    two = pair(family=socket.AF_INET6, host="::ffff:127.0.0.1")
    rows = [row for way in two.ways for row in way.listeners() if row.address[1] == two.address[1]]
    assert len(rows) == 2 and rows[0].address == rows[1].address


def test_length_of_a_backlog(pair):
    """Both ways give the most that may wait in a backlog, or the second takes it for unknown, not for 0."""
    two = pair(backlog=7)
    rows = [row for way in two.ways for row in way.listeners() if row.address[1] == two.address[1]]
    assert rows[0].unsent == 7 and rows[1].unsent >= 7


def test_many_listeners(ways):
    """More listeners than fit in one message of the kernel are all listed."""
    kept = [socket.create_server(("127.0.0.1", 0)) for _ in range(400)]
    try:
        wanted = set(map(inode, kept))
        for way in ways:
            assert wanted <= {row.inode for row in way.listeners()}
    finally:
        for each in kept:
            each.close()


def test_real_epoll():
    """The real kernel's watch list names inodes and masks."""
    left, right = socket.socketpair()
    with select.epoll() as epoll, left, right:
        epoll.register(left, select.EPOLLIN | select.EPOLLET)
        found = Proc().watched(os.getpid(), epoll.fileno())
        assert found.keys() == {inode(left)}
        assert found[inode(left)] & (select.EPOLLIN | select.EPOLLET) == select.EPOLLIN | select.EPOLLET
        epoll.unregister(left)
        assert Proc().watched(os.getpid(), epoll.fileno()) == {}


def test_real_flags():
    """O_NONBLOCK of a socket of another process is seen."""
    left, right = socket.socketpair()
    with left, right:
        left.setblocking(False)
        proc = Proc()
        assert proc.flags(os.getpid(), left.fileno()) & os.O_NONBLOCK
        assert not proc.flags(os.getpid(), right.fileno()) & os.O_NONBLOCK


def test_real_threads():
    """Of a real process: its name, its parent, its threads, and the calls that they sleep in."""
    code = "import sys, threading\nthreading.Thread(target=threading.Event().wait).start()\n"
    code += "print(1, flush=True)\nsys.stdin.read()\n"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        child.stdout.readline()
        proc = Proc()
        assert proc.process(child.pid).parent == os.getpid()
        assert proc.process(os.getpid()).session == os.getsid(0)
        tasks = until(
            lambda: (seen := proc.tasks(child.pid)) and {t.state for t in seen} == {"S"} and seen, "two threads asleep"
        )
        assert len(tasks) == 2
        if NUMBERS and all(task.call for task in tasks):
            assert {task.call for task in tasks} == {"read", "futex"}
            assert next(task for task in tasks if task.call == "read").descriptor == 0
    finally:
        child.kill()
        child.communicate()
    assert proc.process(child.pid) is None


def test_socket_timeouts_of_others():
    """SO_RCVTIMEO and SO_SNDTIMEO of another process's socket are read from the kernel, and 0 where there is none."""
    code = "import socket, struct, sys\ns = socket.create_server(('127.0.0.1', 0))\n"
    code += "s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack('ll', 2, 500_000))\n"
    code += "print(s.fileno(), flush=True)\nsys.stdin.read()\n"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        number = int(child.stdout.readline())
        try:
            assert Proc().socket_timeout(child.pid, number, socket.SO_RCVTIMEO) == 2.5
        except PermissionError:
            pytest.skip("pidfd_getfd(2) is closed to us here")
        assert Proc().socket_timeout(child.pid, number, socket.SO_SNDTIMEO) == 0
        with pytest.raises(OSError):
            Proc().socket_timeout(child.pid, 999, socket.SO_RCVTIMEO)
    finally:
        child.kill()
        child.communicate()
    with pytest.raises(OSError):
        Proc().socket_timeout(child.pid, number, socket.SO_RCVTIMEO)


def test_processes_come_and_go():
    """Processes that end while they are being listed are no error."""
    stop = threading.Event()

    def churn():
        while not stop.is_set():
            subprocess.run(["true"], check=True)

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(20):
            proc = Proc()
            for pid in proc.processes():
                proc.tasks(pid)
                proc.descriptors(pid)
    finally:
        stop.set()
        thread.join()


def test_whose_business_a_socket_is(pair, ways):
    """A connection to the port asked for, or a socket in no table, is looked at; all others are told apart."""
    one = pair()
    port = one.address[1]
    one.connect()
    served = one.accept()
    second = pair()
    second.connect()
    second_served = second.accept()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as log,
        socket.socket() as bound,
        socket.socket(socket.AF_UNIX) as unix,
        socket.socket() as fresh,
    ):
        log.connect(one.address)
        bound.bind(("127.0.0.1", 0))
        others = Proc().other_sockets()
        assert {inode(log), inode(unix)} <= others and not {inode(served), inode(fresh)} & others
        for way in ways:
            elsewhere = way.elsewhere(port)
            assert {inode(one.listener), inode(second_served), inode(second.listener)} <= elsewhere
            assert not {inode(served), inode(fresh)} & elsewhere
            assert bound.getsockname() not in way.connections(port)
            assert all(row.address[1] == port for row in way.connections(port).values())


def test_copies_say_what_netlink_says():
    """Where netlink is refused, what a process holds is asked by copies: the same as sock_diag has.

    In a process of its own: one that has an epoll is not asked so, and pytest's may have one from another test.
    """
    try:
        netlink = kernel.NetlinkSockets()
    except OSError:
        pytest.skip("netlink is refused here")
    netlink.close()
    program = "import test_kernel; test_kernel.compare_copies()"
    path = os.pathsep.join((str(REPOSITORY), str(REPOSITORY / "tests" / "project")))
    subprocess.run([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": path}, check=True, timeout=60)


def compare_copies():
    netlink = kernel.NetlinkSockets()
    held = HeldSockets(Proc(), lambda: [os.getpid()])
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        ends = listener.getsockname(), client.getsockname()
        assert held.held(*ends) is None and held.connection(*ends).inode == 0  # in the backlog
        with listener.accept()[0] as server:
            client.sendall(b"abc")
            server.sendall(b"de")
            held.forget()
            found = held.held(*ends)
            assert found == netlink.connection(*ends) and (found.unread, found.inode) == (
                3,
                os.fstat(server.fileno()).st_ino,
            )
            server.recv(2)
            assert held.held(*ends).unread == 1
        assert held.held(*ends) is None
    netlink.close()


def test_a_long_table_is_read_again_once_a_thread_has_run():
    """Of who sleeps on the table of descriptors is kept; what he does next is seen at once."""
    code = (
        "import os, sys\nkept = [os.dup(1) for _ in range(50)]\nprint(flush=True)\n"
        "for line in sys.stdin:\n    os.dup(1)\n    print(flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as held:
        proc = Proc()
        try:
            for number in range(4):
                held.stdout.readline()
                until(lambda: proc.pulse(held.pid), "it sleeps")
                tables = [proc.descriptors(held.pid) for _ in range(4)]
                assert tables[-1] is tables[-2] == proc.read_descriptors(held.pid) and len(tables[-1]) == 53 + number
                held.stdin.write("on\n")
                held.stdin.flush()
        finally:
            held.kill()
