"""The watchers on made-up facts: what each sees, whom it looks at, and which line it costs."""

import struct
from dataclasses import replace
from types import SimpleNamespace

import pytest
from made_up import MadeUpProc, Tree

from grader import questions
from grader.client import Event, request
from grader.finding import Finding
from grader.kernel import ESTABLISHED, FIN_WAIT1, Socket, Task
from grader.subject import Server
from grader.verdicts import Verdicts
from tests.checks import model, watchers

PAGE = request("/page1.txt")
MAIN, CHILD = 10, 20
LISTENER, FIRST, SECOND = 100, 101, 102  # inodes
EPOLL = "anon_inode:[eventpoll]"
NONBLOCKING, BLOCKING = "flags:\t04002\n", "flags:\t02\n"


class Visitor(SimpleNamespace):
    """A client as a watcher sees it. It has sent part of a head, unless told otherwise."""

    def __init__(self, name, inode, **more):
        here = Socket(ESTABLISHED, 0, 0, inode) if inode else None
        known = {"name": name, "here": here, "sent": PAGE[:20], "asked": 0, "replies": [], "ended": "", "closed": False}
        known |= {"half_closed": False, "outbox": b"", "reading": True, "part": b"xyz", "diary": [], "malformed": ""}
        super().__init__(**known | more)

    __hash__ = object.__hash__
    __eq__ = object.__eq__

    def deeds(self):
        return "which has sent part of a request"


class MadeUp(Server):
    """A server whose processes, threads and descriptors are in a made-up /proc."""

    def __init__(self, root):
        self.tree, self.pids = Tree(root), []
        proc = MadeUpProc(root)
        self.launch = SimpleNamespace(pid=MAIN, proc=proc, family=self.family, listener=Socket(10, 0, 9, LISTENER))
        self.launch.status = None
        self.clients, self.departed, self.long, self.threads_before = [], [], False, 1
        self.verdicts = Verdicts(line="strict", lines=frozenset(ALL_LINES))
        self.children, self.threads, self.asleep, self.watching = 0, 0, True, ""
        self.grading = SimpleNamespace(watchers=[])
        self.process(MAIN)

    def family(self):
        return {pid: self.launch.proc.process(pid) for pid in self.pids}

    def process(self, pid, call="accept4", more_threads=0, parent=1):
        self.pids.append(pid)
        self.tree.process(pid, parent=parent, session=MAIN).thread(pid, call, 3)
        for tid in range(pid + 1, pid + 1 + more_threads):
            self.tree.thread(pid, "recvfrom", 7, tid=tid)

    def holds(self, pid, number, inode, flags=NONBLOCKING):
        self.tree.descriptor(pid, number, f"socket:[{inode}]", flags)

    def epoll(self, *inodes):
        rows = "".join(
            f"tfd: {n} events: 19 data: 0  pos:0 ino:{inode:x} sdev:8\n" for n, inode in enumerate(inodes, 4)
        )
        self.tree.descriptor(MAIN, 3, EPOLL, f"pos:\t0\nflags:\t02\n{rows}")

    def row(self, client):
        return client.here

    def passing_children(self):
        return self.children

    def passing_threads(self):
        return self.threads

    def asleep_for_good(self):
        return self.asleep

    def holder_of(self, client):
        return "the main process"

    def pump(self, seconds=0.0):
        pass

    def comes(self, condition, seconds):
        return condition()

    def until(self, condition, patience=0.0, *, verdict=True):
        return True

    def must(self, condition, expected, *, saw="", look_at="", costs="", clients=None):
        if not condition():
            self.fail(expected, "something else", look_at=look_at, costs=costs)

    def fail(self, expected, saw, *, look_at="", costs="", clients=None):
        raise Finding(expected, saw, look_at=questions.choose(saw, look_at), costs=costs, rule=self.watching)


def of(name, moment, suite):
    (found,) = [watcher for watcher in suite if (watcher.name, watcher.moment) == (name, moment)]
    return found


SUITES = {name: value for name, value in vars(watchers).items() if name.isupper() and isinstance(value, tuple)}
ALL_LINES = {
    *("one_thread", "nonblocking", "in_turn", "sleeps_in_epoll", "watches", "parent_lets_go", "own_processes"),
    *("own_threads", "one_os_thread", "vanishing", "reset_in_answer", "no_leak", "forgets_idle", "idle", "strict"),
    "stalled_readers",
}


def two_stalled(server):
    server.clients += [Visitor("client #1", FIRST), Visitor("client #2", SECOND)]


def a_second_process(server):
    server.process(CHILD, parent=MAIN)


def a_second_thread(server):
    server.tree.thread(MAIN, "recvfrom", 7, tid=11)


def many_threads(server):
    for tid in range(11, 30):
        server.tree.thread(MAIN, "recvfrom", 7, tid=tid)


def a_zombie(server):
    server.pids.append(CHILD)
    server.tree.process(CHILD, parent=MAIN, state="Z")


def a_child_was_here(server):
    server.children = 1


def a_thread_was_here(server):
    server.threads = 1


def two_blocking(server):
    two_stalled(server)
    server.holds(MAIN, 3, LISTENER)
    server.holds(MAIN, 4, FIRST)
    server.holds(MAIN, 5, SECOND, BLOCKING)


def a_blocking_socket_of_its_own(server):
    two_stalled(server)
    server.holds(MAIN, 3, LISTENER)
    server.holds(MAIN, 6, 999, BLOCKING)


def a_blocking_listener(server):
    server.holds(MAIN, 3, LISTENER, BLOCKING)


def an_epoll(server):
    server.epoll()


def in_select(server):
    server.tree.thread(MAIN, "pselect6", 4, 8)
    server.tree.write("\0" * 8 + "\4", MAIN, "mem")


def in_select_of_empty_sets(server):
    server.tree.thread(MAIN, "pselect6", 4, 8, 16)
    server.tree.write("\0" * 24, MAIN, "mem")


def in_poll(server):
    server.tree.thread(MAIN, "poll", 8, 2)
    (server.tree.root / str(MAIN) / "mem").write_bytes(bytes(8) + struct.pack("=ihhihh", -1, 1, 0, 4, 1, 0))


def in_poll_of_nothing(server):
    server.tree.thread(MAIN, "poll", 8, 2)
    (server.tree.root / str(MAIN) / "mem").write_bytes(bytes(8) + struct.pack("=ihhihh", -1, 1, 0, -1, 1, 0))


def a_nap_by_select(server):
    server.tree.thread(MAIN, "pselect6", 0)


def in_epoll(server):
    server.tree.thread(MAIN, "epoll_wait", 3)


def one_is_not_watched(server):
    two_stalled(server)
    server.epoll(LISTENER, FIRST)


def both_are_watched(server):
    two_stalled(server)
    server.epoll(LISTENER, FIRST, SECOND)


def one_being_answered_is_not_watched(server):
    both_are_watched(server)
    server.clients.append(Visitor("client #3", 103, sent=PAGE, asked=1, part=b""))


def one_in_the_backlog(server):
    both_are_watched(server)
    server.clients.append(Visitor("client #3", 0))


def held_by_both(server):
    two_stalled(server)
    for number, inode in enumerate((FIRST, SECOND)):
        server.process(CHILD + number, "recvfrom", parent=MAIN)
        server.holds(CHILD + number, 4, inode)
    server.holds(MAIN, 4, FIRST)


def held_by_children(server):
    two_stalled(server)
    for number, inode in enumerate((FIRST, SECOND)):
        server.process(CHILD + number, "recvfrom", parent=MAIN)
        server.holds(CHILD + number, 4, inode)


def both_held_by_one(server):
    two_stalled(server)
    server.process(CHILD, "recvfrom", parent=MAIN)
    for number, inode in enumerate((FIRST, SECOND)):
        server.holds(CHILD, 4 + number, inode)


def asleep_in_close(server):
    """Of a file, say: the clients' sockets are open."""
    server.tree.thread(MAIN, "close", 7)
    two_stalled(server)


def lingers(server):
    server.tree.thread(MAIN, "close", 7)
    server.clients.append(Visitor("client #1", FIRST, here=Socket(FIN_WAIT1, 0, 1 << 20, FIRST)))


def half_closed_by_the_server(server):
    lingers(server)
    server.holds(MAIN, 4, FIRST)


def three_threads_for_two(server):
    two_stalled(server)
    for tid in (11, 12):
        server.tree.thread(MAIN, "recvfrom", 7, tid=tid)


def gone(**more):
    """One who has left, and is held still."""

    def change(server):
        server.departed.append(Visitor("client #1", FIRST, closed=True, **more))

    change.__name__ = f"gone, {', '.join(more)}" if more else "gone in mid-request"
    return change


def gone_and_forgotten(server):
    server.departed.append(Visitor("client #1", 0, closed=True))


def gone_and_at_work(server):
    server.asleep = False
    gone()(server)


def long_and(change):
    def both(server):
        server.long = True
        change(server)

    both.__name__ = f"long, {change.__name__}"
    return both


#: Watcher, moment, of which steps, what is so -> the line that it costs; "" none.
CASES = [
    ("one_thread", "rest", "ALONE", two_stalled, ""),
    ("one_thread", "rest", "ALONE", a_zombie, ""),
    ("one_thread", "rest", "ALONE", a_second_thread, "one_thread"),
    ("one_thread", "over", "IN_EPOLL", a_second_process, "one_thread"),
    ("no_passing_help", "over", "ALONE", two_stalled, ""),
    ("no_passing_help", "over", "ALONE", a_child_was_here, "one_thread"),
    ("no_passing_help", "over", "ALONE", a_thread_was_here, "one_thread"),
    ("no_passing_help", "over", "IN_THREADS", a_thread_was_here, ""),
    ("no_passing_help", "over", "IN_THREADS", a_child_was_here, "own_threads"),
    ("no_passing_help", "over", "IN_GREENLETS", a_thread_was_here, ""),
    ("no_passing_help", "over", "IN_GREENLETS", a_child_was_here, "one_os_thread"),
    ("one_process", "rest", "IN_THREADS", a_second_thread, ""),
    ("one_process", "rest", "IN_THREADS", a_second_process, "own_threads"),
    ("one_process", "rest", "IN_GREENLETS", a_second_process, "one_os_thread"),
    ("few_threads", "rest", "IN_GREENLETS", a_second_thread, ""),
    ("few_threads", "rest", "IN_GREENLETS", many_threads, "one_os_thread"),
    ("nonblocking", "rest", "IN_TURN", a_blocking_socket_of_its_own, ""),
    ("nonblocking", "rest", "IN_TURN", two_blocking, "nonblocking"),
    ("nonblocking", "rest", "IN_TURN", a_blocking_listener, "nonblocking"),
    ("asks_in_turn", "rest", "IN_TURN", a_nap_by_select, ""),
    ("asks_in_turn", "rest", "IN_TURN", in_select, "in_turn"),
    ("asks_in_turn", "rest", "IN_TURN", in_select_of_empty_sets, ""),
    ("asks_in_turn", "rest", "IN_TURN", in_poll, "in_turn"),
    ("asks_in_turn", "rest", "IN_TURN", in_poll_of_nothing, ""),
    ("asks_in_turn", "rest", "IN_TURN", an_epoll, "in_turn"),
    ("sleeps_in_epoll", "rest", "IN_EPOLL", in_epoll, ""),
    ("sleeps_in_epoll", "rest", "IN_EPOLL", in_select, "sleeps_in_epoll"),
    ("closes_at_once", "rest", "IN_EPOLL", asleep_in_close, ""),
    ("closes_at_once", "rest", "IN_TURN", half_closed_by_the_server, ""),
    ("closes_at_once", "rest", "IN_EPOLL", lingers, "stalled_readers"),
    ("watched", "rest", "IN_EPOLL", both_are_watched, ""),
    ("watched", "rest", "IN_EPOLL", one_being_answered_is_not_watched, ""),
    ("watched", "rest", "IN_EPOLL", one_in_the_backlog, ""),
    ("watched", "rest", "IN_EPOLL", one_is_not_watched, "watches"),
    ("held_by_a_child_alone", "rest", "IN_CHILDREN", held_by_children, ""),
    ("held_by_a_child_alone", "rest", "IN_CHILDREN", held_by_both, "parent_lets_go"),
    ("a_process_each", "rest", "IN_CHILDREN", held_by_children, ""),
    ("a_process_each", "rest", "IN_CHILDREN", both_held_by_one, "own_processes"),
    ("a_thread_each", "rest", "IN_THREADS", three_threads_for_two, ""),
    ("a_thread_each", "rest", "IN_THREADS", two_stalled, "own_threads"),
    ("forgets_everyone", "over", "EVERYWHERE", gone_and_forgotten, ""),
    ("forgets_everyone", "over", "EVERYWHERE", gone_and_at_work, ""),
    ("forgets_everyone", "over", "EVERYWHERE", gone(), "vanishing"),
    ("forgets_everyone", "over", "EVERYWHERE", gone(asked=1), "reset_in_answer"),
    ("forgets_everyone", "over", "EVERYWHERE", gone(asked=1, replies=["one"], part=b""), "no_leak"),
    ("forgets_everyone", "over", "EVERYWHERE", long_and(gone(asked=1, replies=["one"], part=b"")), "forgets_idle"),
    ("forgets_everyone", "over", "EVERYWHERE", long_and(gone(asked=1, replies=["one"])), "vanishing"),
]


@pytest.mark.parametrize(
    ("name", "moment", "suite", "change", "line"),
    CASES,
    ids=[f"{name}-{suite}-{change.__name__}" for name, _, suite, change, _ in CASES],
)
def test_a_watcher(tmp_path, name, moment, suite, change, line):
    """It fails where it should, at the cost of its line, and nowhere else."""
    server, watcher = MadeUp(tmp_path / "proc"), of(name, moment, SUITES[suite])
    change(server)
    assert watcher.line in ("", line or watcher.line)
    if not line:
        watcher.look(server)
        return
    with pytest.raises(Finding) as found:
        watcher.look(server)
    assert found.value.costs == line and found.value.look_at.endswith("?")


def test_each_watcher_is_tried():
    """Each has a case in which it fails; of use of CPU no made-up facts can tell."""
    tried = {name for name, _, _, _, line in CASES if line}
    assert {watcher.name for suite in SUITES.values() for watcher in suite} - tried == {"uses_no_cpu"}


@pytest.mark.parametrize(
    ("stalled", "more"),
    [
        (True, {}),
        (True, {"sent": b"", "part": b""}),
        (False, {"half_closed": True}),
        (False, {"outbox": b"more"}),
        (False, {"sent": PAGE, "asked": 1, "part": b""}),
        (False, {"sent": b"HELLO"}),
        (False, {"sent": PAGE + PAGE[:9], "asked": 1, "replies": ["one"]}),
    ],
)
def test_who_stalls(tmp_path, stalled, more):
    """Whoever may yet send the rest of a head, and waits for nothing."""
    server = MadeUp(tmp_path / "proc")
    client = Visitor("client #1", FIRST, **more)
    assert watchers.is_stalled(server, client) is stalled
    server.long = True
    assert watchers.is_stalled(server, client) is (stalled or bool(client.replies))


def test_who_is_in_service(tmp_path):
    """Who was accepted and waits, or is waited for; not who is in the backlog, has its answer, or has ended."""
    server = MadeUp(tmp_path / "proc")
    server.clients = [
        Visitor("stalls", 101),
        Visitor("waits", 102, sent=PAGE, asked=1, part=b""),
        Visitor("in the backlog", 0),
        Visitor("was answered", 103, sent=PAGE, asked=1, replies=["one"], part=b""),
        Visitor("was cut off", 104, ended="reset"),
    ]
    assert [client.name for client in watchers.in_service(server)] == ["stalls", "waits"]


def test_what_is_known_is_not_looked_for(tmp_path):
    """A rule that is muted is asked no more, nor a line that is not judged, nor anything while a watcher looks."""
    server = MadeUp(tmp_path / "proc")
    server.grading = SimpleNamespace(watchers=watchers.ALONE)
    a_second_thread(server)
    with pytest.raises(Finding, match="2 threads") as found:
        server.watch("rest")
    assert (found.value.costs, found.value.rule, server.watching) == ("one_thread", "one_thread", "")
    server.verdicts.muted.add(("one_thread", "one_thread"))
    server.watch("rest")
    server.verdicts.muted.clear()
    server.verdicts.lines = frozenset(("strict",))
    server.watch("rest")
    server.verdicts.lines, server.watching = frozenset(ALL_LINES), "one_thread"
    server.watch("rest")


def test_how_one_left_is_part_of_the_state(tmp_path):
    """A state in which no CPU was used is not looked at again; what the clients do or did makes another."""
    server = MadeUp(tmp_path / "proc")
    states = [model.state_of_clients(server)]
    much = {"reading": False, "here": Socket(ESTABLISHED, 9, 0, FIRST)}
    for change in ({"reading": False}, {"half_closed": True}, {"asked": 1}, {"asked": 99}, {"part": b""}, much):
        server.clients = [Visitor("client #1", FIRST, **change)]
        states.append(model.state_of_clients(server))
    server.clients = []
    for how in ("reset", "closed"):
        server.departed = [Visitor("client #1", 0, diary=[Event(0.0, how, "")])]
        states.append(model.state_of_clients(server))
    assert len(set(states)) == len(states)
    assert model.rest_line(server) == ("idle", "with no client")
    server.departed = [Visitor("client #1", 0, diary=[Event(0.0, "reset", "")])]
    assert model.rest_line(server)[0] == "idle_after_resets"


def test_whoever_comes_to_rest_is_watched(tmp_path):
    """Each wait for rest that holds asks the watchers of that moment; one that is looking is not asked again."""
    server, asked = MadeUp(tmp_path), []

    def look(_):
        asked.append(server.watching)
        server.come_to_rest()

    server.grading.watchers = [watchers.Watcher("strict", "rest", look), watchers.Watcher("strict", "over", look)]
    server.come_to_rest()
    assert asked == ["look"] and server.watching == ""


@pytest.mark.parametrize(
    "counted, true",
    [((5, 5), True), ((5, 6), False), ((6, 6), False)],
    ids=["one sleep", "the next had begun and was not counted", "the next"],
)
def test_what_is_read_of_a_sleep(counted, true):
    """A thread that has woken and sleeps again is asleep before its switch is counted: a second look tells."""
    asleep = Task(MAIN, MAIN, "S", 5, 5, "clock_nanosleep")
    looks = iter([replace(asleep, switches=number) for number in counted])
    server = SimpleNamespace(launch=SimpleNamespace(proc=SimpleNamespace(task=lambda *_: next(looks))))
    assert model.of_one_sleep(server, asleep, lambda: "read") == ("read" if true else None)
