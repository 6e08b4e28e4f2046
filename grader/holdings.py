"""What the processes of a server have open, told in words: whose it is, which number, and what it refers to."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from grader.kernel import ESTABLISHED, Task, Watch
from grader.sights import NO_DESCRIPTOR
from grader.words import plural

if TYPE_CHECKING:
    from grader.client import Client
    from grader.facts import Facts

Table = dict[tuple[int, int], str]  # process and descriptor -> what it refers to

EPOLL = "anon_inode:[eventpoll]"
EVENTS = {1: "EPOLLIN", 2: "EPOLLPRI", 4: "EPOLLOUT", 0x2000: "EPOLLRDHUP"}  # uapi/linux/eventpoll.h
EPOLLONESHOT, EPOLLET = 1 << 30, 1 << 31
MOST_CLIENTS = 20  # of a crowd
POLLS = ("poll", "ppoll", "select", "pselect6")


def table(facts: "Facts") -> Table:
    """All descriptors of the living family at this moment."""
    proc = facts.launch.proc
    return {(pid, number): target for pid in facts.living() for number, target in proc.descriptors(pid).items()}


def watches(facts: "Facts") -> list[tuple[int, int, Watch]]:
    """All watch lists of the family: process, descriptor of the epoll, and a line of its list. An epoll that another
    watches has its own list, and so has each copy."""
    epolls = [place for place, target in table(facts).items() if target == EPOLL]
    return [(pid, number, watch) for pid, number in epolls for watch in facts.launch.proc.watches(pid, number)]


def event_words(events: int) -> str:
    """An event mask by its names; those that epoll adds by itself, and how it tells them, are left out."""
    names = [name for bit, name in EVENTS.items() if events & bit]
    return " and ".join(names) or ("nothing until it is armed again" if events & EPOLLONESHOT else "errors only")


def whose(facts: "Facts", pid: int) -> str:
    return "the main process" if pid == facts.main else f"process {pid}"


def numbers(found: Iterable[int]) -> str:
    *some, last = map(str, sorted(found))
    return f"descriptors {', '.join(some)} and {last}" if some else f"descriptor {last}"


def holder_of(facts: "Facts", client: "Client") -> str:
    """Who holds the server's side of a connection, and what it does with it."""
    row = facts.row(client)
    if row is None or row.inode == 0:
        waits = row is not None and row.state == ESTABLISHED and not client.inode
        return "accepted by nobody" if waits else "held by no process"
    wanted = f"socket:[{row.inode}]"
    held: dict[int, list[int]] = {}
    for (pid, number), target in table(facts).items():
        if target == wanted:
            held.setdefault(pid, []).append(number)
    if not held:
        return "held by no process"
    who = " and by ".join(f"{whose(facts, pid)} ({numbers(found)})" for pid, found in sorted(held.items()))
    return f"held by {who}, {what_is_done(facts, held, row.inode)}"


def what_is_done(facts: "Facts", held: dict[int, list[int]], inode: int) -> str:
    """Which threads are in a call on this socket; if none is, whether an epoll watches it."""
    tasks = [task for pid in held for task in facts.launch.proc.tasks(pid)]
    on_it = [task for task in tasks if is_on(task, held[task.pid])]
    if on_it:
        calls = {f"{place(facts, task, tasks)} is in {task.call} on it" for task in on_it}
        return "and " + " and ".join(sorted(calls))
    said = "and no thread is in a call on it"
    if found := [watch.events for _, _, watch in watches(facts) if watch.inode == inode]:
        how = ", edge-triggered" if all(events & EPOLLET for events in found) else ""
        return f"{said}; epoll watches it for {' / '.join(sorted(set(map(event_words, found))))}{how}"
    if polls := sorted({task.call for task in tasks if task.state == "S" and task.call in POLLS}):
        return f"{said}; one is in {' and in '.join(map(str, polls))}, perhaps for it"
    return said


def is_on(task: Task, held: list[int]) -> bool:
    """Whether a thread is in a call whose first argument is one of these descriptors."""
    known = task.call and not task.call.startswith(("system call", "running", "epoll"))
    return bool(known and task.args and task.call not in NO_DESCRIPTOR) and task.descriptor in held


def place(facts: "Facts", task: Task, tasks: list[Task]) -> str:
    several = sum(other.pid == task.pid for other in tasks) > 1
    return f"thread {task.tid}" if several else whose(facts, task.pid)


def neglected(facts: "Facts", clients: list["Client"], *, resting: bool) -> str:
    """A client whose bytes nobody reads though the server sleeps; or, of one that should rest (`resting`), a client
    that an epoll watches for room in vain, since there is nothing to send to it, or for more where there is only the
    end. "" if there is none."""
    for client in facts.clients[:MOST_CLIENTS] if resting else clients[:1]:
        row = facts.row(client)
        if row and not row.inode and not client.inode and not resting and facts.prover.at_rest:
            return unheard(facts)
        if row is None or not row.inode or client.ended:
            continue
        events = facts.watched_events(client) or 0
        if (
            resting
            and event_words(events).endswith("EPOLLOUT")
            and not row.unsent
            and len(client.replies) >= client.asked
        ):
            return f"an epoll watches {client.name}'s socket for {event_words(events)}, with nothing to send to it"
        if resting and event_words(events) == "EPOLLIN" and client.half_closed and row.unread <= 1:  # the end is one
            return f"an epoll watches {client.name}'s socket for EPOLLIN, and there is always an end to be read"
        if not resting and row.unread and facts.prover.at_rest:
            return f"{client.name}'s socket, {plural(row.unread, 'byte')} unread, is {holder_of(facts, client)}"
    return ""


def unheard(facts: "Facts") -> str:
    """Why a server that sleeps in epoll does not hear of those in the backlog; "" if this is not the reason.

    Of gevent's own loop nothing is said: it is not the learner's.
    """
    listener = facts.launch.listener
    if (
        listener is None
        or EPOLL not in table(facts).values()
        or "/greenlet/" in facts.launch.proc.read(facts.main, "maps")
    ):
        return ""
    found = [watch.events for _, _, watch in watches(facts) if watch.inode == listener.inode]
    if not found:
        return "no epoll watches the listener"
    told = event_words(found[0]) + ", edge-triggered" * bool(found[0] & EPOLLET)
    return f"epoll watches the listener for {told}" if told != "EPOLLIN" else ""
