"""Section 5 of the contract: how a step serves, as the kernel shows it."""

import os
import struct
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from grader import evidence
from grader.client import Client, request
from grader.holdings import EPOLL
from grader.kernel import Proc, Task
from grader.subject import Server
from grader.timers import FOREVER, TIMEOUTS, timeout_of
from grader.words import plural
from tests.checks import clients, questions, ways

MANY_WAKES = 50  # a second; a few are no use of CPU
MUCH_OF_ALL = 0.6  # of what a loop of ours gets beside it: one that never rests gets as much
MUCH_CPU = 0.33  # of a processor: who naps a millisecond a round uses a tenth of that
Fact = TypeVar("Fact")
LONG_NAP = 0.5  # seconds; a few milliseconds are allowed, and so is ten times a second
#: One request of each kind that may take a path of its own through the code.
KINDS = {
    request("/page1.txt"): "/page1.txt",
    request("/plain"): "/plain, a name without a suffix",
    request("/"): "/",
    request("/empty.txt"): "an empty file",
    request("/nope.txt"): "/nope.txt, which is not there",
    request("/sub"): "a folder without its slash",
    request("/../secret.txt"): "a path that climbs",
    request("/page1.txt", method="DELETE"): "a file by DELETE",
    b"HELLO\r\n\r\n": "nothing that is HTTP",
    request("/large.bin"): "a file of several MiB",
    request("/hundred.bin"): "a file of 100 KB",
    request("/sub/"): "/sub/, a folder with an index.html",
    request("/link.txt"): "a link that leaves the root",
    request("/relative.txt"): "a link that stays inside",
    request("/hundred.txt", headers=("Accept-Encoding: gzip, br",)): "a text of 100 KB, packed if you like",
    request("/fifo"): "a FIFO",
    request("/page1.txt?a=b"): "/page1.txt?a=b, with a query",
    request("/p%61ge1.txt"): "/p%61ge1.txt, an escaped name",
    request("/page1.txt", version="1.0"): "/page1.txt by HTTP/1.0",
    request("/page1.txt", version="2.0"): "/page1.txt by a version that there is not",
    request("/page1.txt", headers=("Connection: close",)): "/page1.txt with Connection: close",
    request("/page1.txt", method="POST", headers=("Content-Length: 0",)): "a file by POST",
    request("/page1.txt", headers=(f"X-Long: {'x' * 5000}",)): "/page1.txt in a head of 5 KB",
}
LOOKED_AGAIN = 4  # times that clients of a kind come, if the server may have napped unseen
HELPERS = 12  # threads: gevent's own pool has at most ten


def kinds(server: Server) -> dict[bytes, str]:
    """Those that are answered, as far as is known: what becomes of the others is another line's."""
    return {sent: asked for sent, asked in KINDS.items() if sent not in server.verdicts.unanswered}


def one_process_one_thread(server: Server, count: int = 4) -> None:
    """In these states, and whatever it answers: what has come and gone meanwhile leaves its traces."""
    server.did(f"one client was served; {count} connected and sent part of a request")
    server.get("/page1.txt")
    for _ in range(count):
        server.client().send(b"GET /page1.txt HT")
    server.settle(lambda: all(map(server.has_read, server.clients)))
    one_process(server)
    one_thread(server)
    server.leave()
    while_it_answers(server)


def while_it_answers(server: Server, stuck: int = 1) -> None:
    """The watchers judge: in mid-answer to so many stuck readers, after an answer of each kind, when all is over."""
    readers = "one" if stuck == 1 else str(stuck)
    server.did(f"{readers} stopped reading in the middle of a large answer, then read on")
    for client in clients.stuck_readers(server, stuck, server.root.longest):
        client.open_window()
    server.until(lambda: all(client.replies or client.ended for client in server.clients))
    server.leave()
    for sent, asked in kinds(server).items():
        server.did(f"one asked for {asked}", again=True)
        client = server.client()
        client.send(sent)
        server.hears(client)
        server.watch("rest")
        server.leave()


def threads_of_readers(server: Server) -> None:
    while_it_answers(server, HELPERS + 2)


def one_thread(server: Server) -> None:
    if (threads := len(server.tasks())) > 1:
        look_at = "which call makes the second thread, and what for?"
        server.fail("one thread", f"{threads} threads", look_at=look_at, costs="one_thread")


def one_process(server: Server, costs: str = "one_thread") -> None:
    if len(server.living()) > 1:
        look_at = "which call makes the second process, and what for?"
        server.fail("one process", plural(len(server.living()), "process"), look_at=look_at, costs=costs)


def one_at_a_time(server: Server) -> None:
    head = request("/page1.txt")
    for part in (head[:20], b"", head[:-1]):
        stalls = "sent nothing" if not part else "sent half a request"
        server.did(f"client #1 {stalls}; #2 and #3 sent whole ones", again=True)
        first_come(server, part, head[len(part) :])
        server.leave()
        server.begin_story()
    server.did("client #1 asked for a file of several MiB and read none of it; #2 and #3 sent whole requests")
    first = clients.stuck_readers(server, 1)[0]
    others = [] if server.forgotten(first) else nobody_else(server)  # a kernel that takes all of it ends its turn
    first.open_window()
    server.serves(first, "/big.bin", look_at=questions.REST)
    then_the_others(server, others)


def first_come(server: Server, part: bytes, rest: bytes) -> None:
    """The first client is served first, whoever speaks first; one that was never accepted is not the first."""
    first = server.client()
    first.send(part)
    server.settle(lambda: server.has_read(first))
    if (row := server.row(first)) is None or row.inode == 0:
        return
    others = nobody_else(server)
    server.did("then client #1 sent the rest")
    first.send(rest)
    server.serves(first, "/page1.txt")
    then_the_others(server, others)


def nobody_else(server: Server) -> list[Client]:
    """Two more who ask, and are not answered."""
    others = [server.ask("/page2.txt"), server.ask("/page3.txt")]
    if server.comes(lambda: any(client.received for client in others), seconds=3):
        look_at = "how many clients does this step serve at a time, and what serves the second one?"
        saw = next(f"{client.name} was answered" for client in others if client.received)
        server.fail("nobody else is answered while client #1 is not done", saw, clients=others, look_at=look_at)
    return others


def then_the_others(server: Server, others: list[Client]) -> None:
    for client, target in zip(others, ("/page2.txt", "/page3.txt"), strict=False):  # or nobody
        server.serves(client, target, look_at=questions.NEXT_CLIENT)


def backlog(server: Server, count: int = 64) -> None:
    server.did(f"client #1 stalled in mid-request; {count} more connected and sent whole ones")
    first = server.client()
    head = request("/page1.txt")
    first.send(head[:20])
    server.settle(lambda: server.has_read(first))
    crowd = [server.client(wait=False) for _ in range(count)]
    for client in crowd:
        client.send(request("/page2.txt"))

    def waiting() -> int:
        return sum((row := server.row(client)) is not None and row.state == 1 for client in crowd)

    server.must(
        lambda: waiting() == count,
        f"{count} connections wait in the backlog",
        saw=lambda: f"room for {waiting()}",
        look_at="what does the number given to listen() say?",
    )
    server.did("then client #1 went on")
    first.send(head[20:])
    server.serves(first, "/page1.txt", look_at=questions.NEXT_CLIENT)
    for client in crowd:
        server.serves(client, "/page2.txt", look_at=questions.NEXT_CLIENT)


def served_apart(server: Server, crowd: list[Client]) -> dict[int, Client]:
    """A process of its own for each client, none of them the main one: pid -> client, as far as it goes."""
    owner: dict[int, Client] = {}
    for client, pids in sorted(server.all_holders(crowd), key=lambda pair: len(pair[1])):
        for pid in sorted(pids - {server.main} - owner.keys()):
            owner[pid] = client
            break
    return owner


def own_processes(server: Server, count: int = 50) -> None:
    server.did(f"{count} clients connected and stalled: every third was silent, the others sent part of a request")
    crowd = [server.client() for _ in range(count)]
    for client in [client for number, client in enumerate(crowd) if number % 3]:
        client.send(b"GET /page1.txt HT")
    server.settle(lambda: all(map(server.has_read, crowd)))
    server.must(
        lambda: len(served_apart(server, crowd)) == count,
        f"{count} processes, each with the socket of a client of its own",
        saw=lambda: f"a process of its own for {len(served_apart(server, crowd)) or 'none'} of {count} clients",
        look_at=questions.APART,
    )


def parent_lets_go(server: Server) -> None:
    server.did("one client connected and sent half a request; nobody else connected")
    client = server.client()
    head = request("/page1.txt")
    client.send(head[:20])
    server.settle(lambda: server.has_read(client))
    server.must(
        lambda: (pids := server.holders(client)) and server.main not in pids,
        "a child holds the client's socket, and the parent does not",
        saw=lambda: f"held by {holders_text(server, client)}",
        clients=[client],
        look_at="how many descriptors refer to this connection after a fork, and whose are they?",
    )
    client.send(head[20:])
    server.serves(client, "/page1.txt")
    server.must(lambda: client.ended, "the end of the stream when the child is done", clients=[client])


def holders_text(server: Server, client: Client) -> str:
    pids = server.holders(client)
    names = [f"the parent ({pid})" if pid == server.main else f"process {pid}" for pid in sorted(pids)]
    return " and ".join(names) or "no process"


def own_threads(server: Server, count: int = 50) -> None:
    server.did(f"{count} clients connected and stalled: every third was silent, the others sent part of a request")
    for number in range(count):
        client = server.client()
        if number % 3:
            client.send(b"GET /page1.txt HT")
    server.settle(lambda: all(map(server.has_read, server.clients)))
    one_process(server, "own_threads")
    server.must(
        lambda: len(server.tasks()) >= count,
        f"a thread for each of {count} stalled clients",
        saw=lambda: f"{plural(len(server.tasks()) - 1, 'thread')} besides the main one",
        look_at={
            "threads besides": "how many threads may there be at a time, and who reads from the next client?",
            "": "which thread reads from the second client while the first one stalls?",
        },
    )


def one_os_thread(server: Server, count: int = 100) -> None:
    server.get("/page1.txt")
    before = len(server.tasks())
    server.did(f"{count} clients connected and stalled in mid-request")
    clients.stalled(server, count)
    one_process(server, "one_os_thread")
    if len(server.tasks()) > before + HELPERS:
        server.fail(
            "the number of threads does not grow with clients",
            f"{plural(before, 'thread')} before, {len(server.tasks())} now",
            look_at="who runs the code for a client: a greenlet, or a thread?",
        )


def gevent_loaded(server: Server) -> None:
    server.did("looked at what the server has loaded, and at where it sleeps while two clients stall")
    server.get("/page1.txt")
    loaded = server.launch.proc.read(server.main, "maps")
    if "/gevent/" not in loaded:
        server.fail(
            "gevent's machinery is loaded",
            "no library of gevent in the process",
            look_at="what in your program makes a greenlet for a client?",
        )
    if "/gevent/libuv/" in loaded:  # sleeps in other ways
        return
    for _ in range(2):
        server.client().send(b"GET /page1.txt HT")
    server.settle(lambda: all(map(server.has_read, server.clients)))
    server.come_to_rest()
    # libev never sleeps without a time-out: ev_run(), MAX_BLOCKTIME. Other loops do.
    sleepers = [task for task in server.tasks() if task.call in TIMEOUTS]
    if sleepers and all(timeout_of(server.launch.proc, task) == FOREVER for task in sleepers):
        saw = "; ".join(evidence.where_it_stands(server.launch, server.clients))
        server.fail("the server sleeps in gevent's loop", saw, look_at="whose loop runs your code?")
    server.leave()
    cooperative(server, {task.tid for task in sleepers if "poll" in str(task.call) or "select" in str(task.call)})


NAPS = ("nanosleep", "clock_nanosleep", "select", "pselect6", "poll", "ppoll")


def cooperative(server: Server, loops: set[int]) -> None:
    """While a greenlet naps the others go on: the thread that was in the loop is not put to sleep."""
    for task in naps_while_it_answers(server, lambda task: task.tid in loops and "nanosleep" in str(task.call)):
        look_at = "whose sleep() is it, time's or gevent's?"
        server.fail("no greenlet puts the whole thread to sleep", f"asleep in {task.call}", look_at=look_at)


def never_naps(server: Server) -> None:
    """Step 7: whatever it answers, it sleeps in epoll and nowhere else."""
    for task in naps_while_it_answers(server, lambda task: task.call in NAPS):
        server.fail("asleep in epoll, and nowhere else", f"asleep in {task.call}", look_at=questions.SLEEP)


def naps_while_it_answers(server: Server, is_nap: Callable[[Task], bool], most: int = LOOKED_AGAIN) -> Iterator[Task]:
    """The first nap that a look finds while clients of one kind are answered.

    A look never invents one, and may miss one: it lasts for some hundredths of a second, and a busy machine may not let
    us look meanwhile. So as long as the server has gone to sleep as often as there were clients, which one that finds
    all of them there has no need to, they come again; `most` times in all.
    """
    found: list[Task] = []

    def asleep_or(done: Callable[[], object]) -> bool:
        found.extend(task for task in server.tasks() if task.state == "S" and is_nap(task))
        return bool(found or done())

    def ask_at_once(sent: bytes, count: int) -> None:
        with server.stopped():
            crowd = [server.client() for _ in range(count)]
            for client in crowd:
                client.send(sent)
        with server.blaming("stalled_readers" if b"/large.bin" in sent else "stalled"):  # if they get each other's
            server.until(partial(asleep_or, lambda: all(client.replies or client.ended for client in crowd)))

    acts: list[tuple[str, int, Callable[[], object]]] = [
        (f"asked for {asked}", 6, partial(ask_at_once, sent, 6)) for sent, asked in kinds(server).items()
    ]
    for way in ways.VANISHED + ways.IN_ANSWER + (ways.SECOND_HEAD + ways.IDLE + ways.PIPELINED) * server.long:
        count = 2 if way.dear else 6
        acts.append((way.told, count, partial(ways.side_by_side, server, [way] * count, asleep_or)))
    for told, count, act in acts:
        server.did(f"{count} clients at once {told}; looked at where the server sleeps", again=True)
        for _ in range(most if count > 2 else min(most, 2)):
            slept = server.wakes()
            act()
            yield from found[:1]
            slept = server.wakes() - slept
            server.leave()
            if slept < count:
                break


def nonblocking_sockets(server: Server, count: int = 4) -> None:
    """In other states the watchers look."""
    server.did(f"one client was served; looked at the flags of the listener, then of all sockets, with {count} stalled")
    server.get("/page1.txt")  # one that has only just begun to listen may not have set its flags yet
    server.settle(lambda: server.client_descriptors() == 0)
    server.come_to_rest()
    blocking_socket(server, {server.listener.inode: "the listener"})
    crowd = [server.client() for _ in range(count)]
    for client in crowd:
        client.send(b"GET /page1.txt HT")
    server.settle(lambda: all(map(server.has_read, crowd)))
    inodes = {row.inode: client.name for client in crowd if (row := server.row(client))}
    inodes[server.listener.inode] = "the listener"
    blocking_socket(server, inodes)


def blocking_socket(server: Server, inodes: dict[int, str], costs: str = "nonblocking") -> None:
    """Fail if one of these sockets, inode -> whose it is, lacks O_NONBLOCK, and still does after some rounds more: it
    may have been accepted at this very moment, or closed."""
    for descriptor, target in blocking_ones(server, inodes):
        server.come_to_rest(turns=2)
        if (descriptor, target) in blocking_ones(server, inodes):
            saw = f"the socket of {inodes[int(target[8:-1])]} (descriptor {descriptor}) is a blocking one"
            expected = "O_NONBLOCK on the listener and on every client's socket"
            server.fail(expected, saw, look_at=questions.BLOCKING, costs=costs)


def blocking_ones(server: Server, inodes: dict[int, str]) -> list[tuple[int, str]]:
    """Descriptors of the main process that refer to one of these sockets and have no O_NONBLOCK, and the socket."""
    proc, found = server.launch.proc, []
    for descriptor, target in proc.descriptors(server.main).items():
        if target.startswith("socket:[") and int(target[8:-1]) in inodes:
            flags = proc.flags(server.main, descriptor)  # 0 of one that has been closed meanwhile
            if flags and not flags & os.O_NONBLOCK and proc.descriptor(server.main, descriptor) == target:
                found.append((descriptor, target))
    return found


def of_one_sleep(server: Server, task: Task, read: Callable[[], Fact]) -> Fact | None:
    """What is read of a sleeping thread's call, None if it has woken: then it was read of something else.

    Read twice: a thread that goes to sleep again is asleep for a moment before the kernel counts it.
    """
    fact = None
    for _ in range(2):
        fact = read()
        after = server.launch.proc.task(task.pid, task.tid)
        if after is None or after.state != "S" or after.switches != task.switches:
            return None
    return fact


def long_nap(server: Server, task: Task) -> float:
    """Seconds of a nap of this thread that is more than a few milliseconds, or 0."""
    if task.state != "S" or task.call not in NAPS or asleep_on_sockets(server, task):
        return 0.0
    seconds = of_one_sleep(server, task, lambda: timeout_of(server.launch.proc, task)) or 0.0
    return seconds if LONG_NAP < seconds < FOREVER else 0.0  # who sleeps for ever is woken by a signal


def naps_are_short(server: Server) -> None:
    """Steps 5 and 6, whatever it answers: who sleeps for long asks nobody meanwhile."""
    for task in naps_while_it_answers(server, lambda task: long_nap(server, task) > 0, most=1):
        blame_nap(server, task)


def blame_nap(server: Server, task: Task) -> None:
    expected = "naps of a few milliseconds between rounds, and no long ones"
    server.fail(expected, f"asleep in {task.call} for more than {LONG_NAP} s", look_at=questions.NAP, costs="in_turn")


def asleep_on_sockets(server: Server, task: Task) -> bool:
    """Whether a thread is in select or poll, and on a descriptor: a select of none is a nap, and so is a poll of
    negative numbers, which poll(2) passes over."""
    calls = {"select": 0, "pselect6": 0, "poll": 1, "ppoll": 1}
    return task.call in calls and task.args[calls[task.call]] > 0 and not asks_for_nothing(server, task)


def asks_for_nothing(server: Server, task: Task) -> bool:
    """Whether all that select or poll is given is empty, or it is over."""
    try:
        return not of_one_sleep(server, task, lambda: asks_for_something(server.launch.proc, task))
    except (OSError, OverflowError):
        return False


def asks_for_something(proc: Proc, task: Task) -> bool:
    if "select" in str(task.call):
        size = (task.args[0] + 7) // 8
        return any(any(proc.memory(task.pid, address, size)) for address in task.args[1:4] if address)
    array = proc.memory(task.pid, task.args[0], task.args[1] * 8)
    return any(number >= 0 for number, _ in struct.iter_unpack("=ii", array))


def asks_in_turn(server: Server, samples: int = 150) -> None:
    server.come_to_rest()  # with nobody there
    server.did(f"two clients stalled; looked {samples} times at the system call the server was in")
    for _ in range(2):
        server.client().send(b"GET /page1.txt HT")
    server.settle(lambda: all(map(server.has_read, server.clients)))
    began, spent = time.monotonic(), server.cpu()
    for _ in range(samples):
        server.pump(0.001)
        not_in_turn(server)
    used = (server.cpu() - spent) / (time.monotonic() - began)
    if used > MUCH_CPU:
        server.notes.append(f"no point is lost by it, but it used {used:.1f} s of CPU time a second while nobody spoke")


def not_in_turn(server: Server) -> None:
    """Fail if the kernel shows that it leaves the asking to select, poll or epoll."""
    if EPOLL in server.launch.proc.descriptors(server.main).values():
        server.fail("no epoll descriptor", "an epoll descriptor is open", look_at=questions.IN_TURN, costs="in_turn")
    for task in server.tasks():
        if long_nap(server, task):
            blame_nap(server, task)
        if asleep_on_sockets(server, task) or (task.call and task.call.startswith("epoll")):
            expected = "each socket is asked in turn, without select, poll or epoll"
            server.fail(expected, f"asleep in {task.call}", look_at=questions.IN_TURN, costs="in_turn")


def watched(server: Server) -> dict[int, int]:
    """All that the epoll descriptors of the main process watch, inode -> events."""
    proc = server.launch.proc
    found: dict[int, int] = {}
    for descriptor, target in proc.descriptors(server.main).items():
        if target == EPOLL:
            found |= proc.watched(server.main, descriptor)
    return found


def watches_everyone(server: Server, count: int) -> None:
    server.did(f"{count} clients connected and stalled in mid-request")
    crowd = [server.client() for _ in range(count)]
    for client in crowd:
        client.send(b"GET /page1.txt HT")
    server.settle(lambda: all(map(server.has_read, crowd)))
    one_process(server)
    listener = server.listener.inode

    def accepted() -> set[int]:
        rows = server.rows()
        return {row.inode for client in crowd if not client.ended and (row := rows[client]) and row.inode}

    def saw() -> str:
        here, found = accepted(), watched(server).keys()
        others = "" if len(here) == count else f"only {len(here)} of {count} clients are in the server; "
        too = "too" if listener in found else "not"
        return f"{others}{len(here & found)} of {len(here)} are watched, the listener {too}"

    server.must(
        lambda: len(here := accepted()) == count and here | {listener} <= watched(server).keys(),
        f"an epoll descriptor watches the listener and all {count} clients",
        saw=saw,
        look_at=questions.WATCHED,
    )
    wanted = accepted()
    server.did("then they left")
    server.leave()
    server.must(
        lambda: not wanted & watched(server).keys(),
        "a client that has left is watched no more",
        saw=lambda: f"{len(wanted & watched(server).keys())} of them are still watched",
        look_at="what happens to a registration when its descriptor is closed, and when a copy is left?",
    )


def sleeps_in_epoll(server: Server) -> None:
    server.did("four clients connected and stalled")
    for _ in range(4):
        server.client().send(b"GET /page1.txt HT")
    server.settle(lambda: all(map(server.has_read, server.clients)))
    one_process(server)
    one_thread(server)
    must_sleep_in_epoll(server)


def must_sleep_in_epoll(server: Server) -> None:
    def asleep() -> bool:
        task = server.launch.proc.task(server.main, server.main)
        return task is not None and (task.call is None or task.call.startswith("epoll"))

    saw = lambda: "; ".join(evidence.where_it_stands(server.launch, server.clients))  # noqa: E731
    server.must(asleep, "the thread sleeps in epoll", saw=saw, look_at=questions.SLEEP, costs="sleeps_in_epoll")


def at_rest(server: Server, when: str, wakes: float = MANY_WAKES, costs: str = "") -> None:
    """Demand that the server uses no CPU; waking a few times a second is no use of CPU."""
    if server.asleep_for_good(patience=0.2):
        return
    began, spent, woken, clock = time.process_time(), server.cpu(), server.wakes(), time.monotonic()
    for enough in (0.12, 0.5):  # seconds of a loop of ours: it is the clock, and slowed as the server is
        while (own := time.process_time() - began) < enough:
            pass
        used, rate = server.cpu() - spent, (server.wakes() - woken) / (time.monotonic() - clock)
        if used < own * MUCH_OF_ALL / 4 and rate < wakes / 2:
            return
    if rate > wakes:
        server.fail(
            f"no use of CPU {when}",
            f"it woke {rate:.0f} times a second",
            look_at="what wakes it, and what for?",
            costs=costs,
        )
    if used > own * MUCH_OF_ALL:
        saw = f"it used {used:.2f} s of CPU time while a busy loop beside it used {own:.2f} s"
        server.fail(f"no use of CPU {when}", saw, look_at=questions.no_rest(when), costs=costs)


def state_of_clients(server: Server) -> frozenset[object]:
    """What states its clients are in, and how those who have left have done so: what it does then may differ."""
    here = {
        (c.reading, c.half_closed, c.replies[-1].status if c.replies else 0, behind(c), bool(c.part), *lie(server, c))
        for c in server.clients
    }
    return frozenset(here | {event.what for c in server.departed for event in c.diary[-1:]})


def behind(client: Client) -> int:
    """How many requests are not answered: none, one, some, many."""
    return sum(client.asked - len(client.replies) > few for few in (0, 1, 50))


def lie(server: Server, client: Client) -> tuple[bool, int]:
    """Of one who does not read: whether bytes of his lie unread, and how much of his answer the kernel has."""
    row = None if client.reading else server.row(client)
    return (row.unread > 0, row.unsent.bit_length()) if row else (False, 0)


def rest_line(server: Server) -> tuple[str, str]:
    """The line that the use of CPU costs in this state of its clients, and the state in words."""
    if not all(client.reading for client in server.clients):
        return "idle_readers", "while clients do not read"
    if any(event.what == "reset" for client in server.departed for event in client.diary[-1:]):
        return "idle_after_resets", "after resets"
    if not server.clients:
        return "idle", "with no client"
    return "idle", f"with {plural(len(server.clients), 'client')} and no traffic"


#: What may be answered, or refused, before all of it is read.
UNREAD = {
    "256 KiB of a head without end": b"GET /" + b"x" * (256 << 10),
    "no HTTP, and 100 requests behind": b"HELLO\r\n\r\n" + request("/page1.txt") * 100,
    "DELETE, and 100 requests behind": request("/page1.txt", method="DELETE") + request("/page1.txt") * 100,
}


def idle(server: Server, count: int) -> None:
    server.did(f"{count} clients connected and stalled; then there was no traffic")
    clients.stalled(server, count)
    at_rest(server, f"with {count} stalled clients and no traffic")
    server.leave()
    for what, sent in UNREAD.items():
        server.told = [f"a client sent {what}, and stayed; then there was no traffic"]
        client = server.client()
        client.send(sent)
        server.settle(lambda client=client: client.ended or server.has_read(client))  # type: ignore[misc]
        at_rest(server, "with 1 client and no traffic")
        server.leave()


def idle_readers(server: Server) -> None:
    server.did("four clients asked for a large file and stopped reading; then there was no traffic")
    readers = clients.stuck_readers(server, 4)
    at_rest(server, "while clients do not read")
    server.did("another asked for 1 MiB, which the kernel has room for, and read none of it; then there was no traffic")
    clients.all_in_the_kernel(server)
    at_rest(server, "while clients do not read")
    if server.long:
        server.did("then they read all of it, and stayed")
        for client in readers:
            client.open_window()
            server.serves(client, "/big.bin")
        at_rest(server, "after large answers")


def idle_after_resets(server: Server) -> None:
    server.did("four clients reset their connections: idle, in mid-request, in mid-answer; then there was no traffic")
    stuck = clients.stuck_readers(server, 1)
    crowd = [server.client() for _ in range(3)]
    for client in crowd[1:]:
        client.send(b"GET /page1.txt HT")
    server.settle(lambda: all(map(server.has_read, crowd)))
    for client in crowd + stuck:
        client.reset()
    server.leave()
    server.settle(lambda: all(map(server.forgotten, server.departed)))
    at_rest(server, "after resets")


def burst(server: Server) -> None:
    """As many as its backlog has room for, up to 600: `unsent` of a listener is that, sock_diag(7)."""
    room = max(
        (row.unsent for row in server.launch.sockets.listeners() if row.inode == server.listener.inode), default=0
    )
    count = min(max(room, 40), 600)
    server.did(f"the server was stopped (SIGSTOP), {count} clients connected and sent requests, and it went on")
    with server.stopped():
        crowd = [server.client(wait=False) for _ in range(count)]
        for number, client in enumerate(crowd):
            client.send(request(f"/page{number % 12}.txt"))
    for number, client in enumerate(crowd):
        server.serves(client, f"/page{number % 12}.txt", look_at="how many clients can one event stand for?")
