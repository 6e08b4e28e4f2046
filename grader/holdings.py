"""What the processes of a server have open, told in words: whose it is, which number, and what it refers to."""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from grader.kernel import ESTABLISHED, Task, Watch
from grader.sights import NO_DESCRIPTOR

if TYPE_CHECKING:
    from grader.client import Client
    from grader.facts import Facts

Table = dict[tuple[int, int], str]  # process and descriptor -> what it refers to

EPOLL = "anon_inode:[eventpoll]"
EVENTS = {1: "EPOLLIN", 2: "EPOLLPRI", 4: "EPOLLOUT", 0x2000: "EPOLLRDHUP"}  # uapi/linux/eventpoll.h
EPOLLONESHOT = 1 << 30
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
        return "nobody has accepted it" if waits else "no process holds it"
    wanted = f"socket:[{row.inode}]"
    held: dict[int, list[int]] = {}
    for (pid, number), target in table(facts).items():
        if target == wanted:
            held.setdefault(pid, []).append(number)
    if not held:
        return "no process holds it"
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
        return f"{said}; epoll watches it for {' / '.join(sorted(set(map(event_words, found))))}"
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
    that an epoll watches for room in vain, since there is nothing to send to it. "" if there is none."""
    for client in facts.clients[:MOST_CLIENTS] if resting else clients[:1]:
        row = facts.row(client)
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
        if not resting and row.unread and facts.prover.at_rest:
            return f"{client.name}'s socket, {row.unread} bytes unread, is {holder_of(facts, client)}"
    return ""


def left_over(facts: "Facts", before: Table) -> list[str]:
    """The descriptors that the family has now and had not in a table taken earlier, each in words.

    What a new process has of its parent's is not counted: the process itself is what is left.
    """
    now = table(facts)
    known, targets = {pid for pid, _ in before}, set(before.values())
    spare = Counter((pid, target) for (pid, _), target in before.items())
    left = []
    for (pid, number), target in sorted(now.items(), key=lambda item: (before.get(item[0]) != item[1], item)):
        if spare[pid, target] > 0:
            spare[pid, target] -= 1
        elif pid in known or target not in targets:
            left.append((pid, number, target))
    kinds = Kinds(facts) if left else None
    words = [(pid, number, kinds.of(pid, number, target)) for pid, number, target in left if kinds]
    return [f"descriptor {number} of {whose(facts, pid)}: {said}" for pid, number, said in words]


class Kinds:
    """What descriptors refer to, in words, as of one moment."""

    def __init__(self, facts: "Facts"):
        self.facts = facts
        self.port = port = facts.launch.listener.address[1] if facts.launch.listener else 0
        sockets = facts.launch.sockets
        self.clients = {client.inode: client for client in facts.known if client.inode}
        self.alive = {row.inode for row in facts.rows().values() if row}
        self.connections = {row.inode for row in sockets.connections(port).values()} if port else set()
        self.listeners = {row.inode for row in sockets.listeners()}
        self.elsewhere = sockets.elsewhere(port)
        self.others = facts.launch.proc.other_sockets()
        self.watches = watches(facts)

    def of(self, pid: int, number: int, target: str) -> str:
        kind, _, inode = target.partition(":[")
        if kind == "socket":
            return self.socket(pid, number, int(inode[:-1]))
        if target.startswith(root := f"{self.facts.root.path}/"):
            return f"the file {target.removeprefix(root)} of the site"
        if kind == "pipe":
            return "a pipe"
        if target.startswith("anon_inode:"):
            name = target.removeprefix("anon_inode:").strip("[]")
            return {"eventpoll": "an epoll descriptor"}.get(name, f"a descriptor of the kind {name}")
        return f"the file {target}"

    def socket(self, pid: int, number: int, inode: int) -> str:
        if client := self.clients.get(inode):
            dead = "" if inode in self.alive else "; the connection is dead"
            return f"the socket of {client.name}, {client.deeds()}{dead}{self.watched(inode)}"
        if inode in self.listeners:
            return "a socket that listens"
        if inode in self.others:
            return "a socket that is not TCP"
        if inode in self.elsewhere:
            return "a socket at another port"
        if inode in self.connections:
            return f"a connection of somebody else's{self.watched(inode)}"
        if not self.facts.was_at(self.port, pid, number):
            return "a socket that is not connected"
        return f"a dead connection{self.watched(inode)}"

    def watched(self, inode: int) -> str:
        """Which epoll still watches it, and by which number if that is closed or another file's by now."""
        for pid, number, watch in self.watches:
            if watch.inode == inode:
                now = self.facts.launch.proc.descriptor(pid, watch.number)
                own = now == f"socket:[{inode}]"
                gone = "" if own else f" by the number {watch.number}, which is not its own any more"
                return f", watched by epoll {number} for {event_words(watch.events)}{gone}"
        return ""
