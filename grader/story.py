"""What happened in a check, for the picture: which clients are told of, and the sights in words."""

from collections import deque
from collections.abc import Iterable
from typing import Protocol

from grader.client import Client, Event
from grader.launch import Launch
from grader.proof import Prover, socket_inode
from grader.record import Story
from grader.sights import Doing
from grader.words import plural

FIRST, LAST = 12, 4  # clients: with more of them, these and those that a finding is about


class Cast:
    """The clients of a check that are told of: their names and diaries, and not what they were sent."""

    def __init__(self) -> None:
        self.count = 0
        self.numbers: dict[str, int] = {}  # name -> when it came, while it is known
        self.first: list[tuple[str, list[Event]]] = []
        self.last: deque[tuple[str, list[Event]]] = deque(maxlen=LAST)
        self.kept: dict[str, list[Event]] = {}

    def enter(self, client: Client) -> None:
        self.count += 1
        self.numbers[client.name] = self.count
        (self.first if self.count <= FIRST else self.last).append((client.name, client.diary))

    def keep(self, clients: Iterable[Client]) -> None:
        """These are told of, wherever they came."""
        for client in list(clients)[:FIRST]:
            self.kept[client.name] = client.diary

    def chosen(self) -> dict[str, list[Event]]:
        """Name -> diary, in the order in which they came."""
        all_of_them = {**self.kept, **dict(self.first), **dict(self.last)}
        return dict(sorted(all_of_them.items(), key=lambda pair: self.numbers.get(pair[0], 0)))


class Told(Protocol):
    """What is asked of a server that a story is told of."""

    launch: Launch
    prover: Prover
    cast: Cast
    began: float
    failed_at: float
    told: list[str]

    @property
    def known(self) -> list[Client]: ...


def tell(server: Told, now: float) -> Story:
    """The story of the check that has just ended, or failed. now: seconds by time.monotonic()."""
    cast = server.cast.chosen()
    events = [(event.time, name, event.what, event.detail) for name, diary in cast.items() for event in diary]
    events.sort(key=lambda event: event[0])
    ended = server.failed_at or now
    left_out = server.cast.count - len(cast)
    return Story(server.began, ended, events, sights_of(server), left_out, list(server.told))


def sights_of(server: Told) -> list[tuple[float, list[str]]]:
    """Each sight at its first moment and, if others found the same, at its last."""
    owners = {client.inode: f"{client.name}'s socket" for client in server.known if client.inode}
    if server.launch.listener:
        owners[server.launch.listener.inode] = "the listener"
    seen = server.prover.sights.seen
    threads: dict[int, set[int]] = {}
    for sight in seen:
        for doing in sight.doings:
            threads.setdefault(doing.pid, set()).add(doing.tid)
    found = []
    for sight in seen:
        lines = []
        for doing in sight.doings:
            role = f"{'main process' if doing.pid == server.launch.pid else 'process'} {doing.pid}"
            thread = f", thread {doing.tid}" if len(threads[doing.pid]) > 1 else ""
            lines.append(f"{role}{thread}: {in_words(doing, owners)}")
        if sight.others:
            lines.append(f"others: {plural(sight.others, 'more thread')}, not told of")
        found.append((sight.first, lines or ["the server: no process of it is left"]))
        if sight.last > sight.first:
            found.append((sight.last, found[-1][1]))
    return found


def in_words(doing: Doing, owners: dict[int, str]) -> str:
    """As `evidence.doing` says it; what a past moment no longer tells (how many bytes, how long) is left out."""
    if doing.state == "T":
        return "stopped by a signal"
    if doing.state == "R" or doing.call == "running":
        return "running"
    if doing.call is None:
        return f"state {doing.state} (the kernel does not say where)"
    if doing.call in ("nanosleep", "clock_nanosleep"):
        return f"asleep in {doing.call} (a nap)"
    if doing.call in ("wait4", "waitid"):
        return f"asleep in {doing.call}, waiting for a child"
    if doing.call == "futex":
        return "asleep in futex (a lock, or a join)"
    if doing.call == "restart_syscall":
        return "asleep again in a call that a stop had interrupted"
    if not doing.target:
        return f"asleep in {doing.call}"
    inode = socket_inode(doing.target)
    if inode is None:
        whose = {"anon_inode:[eventpoll]": "an epoll descriptor"}.get(doing.target, doing.target)
    else:
        whose = owners.get(inode, "a socket of its own")
    return f"asleep in {doing.call} on descriptor {doing.descriptor}: {whose}"
