"""What a server and all its processes have of each kind, and whether clients make it grow without end."""

from collections import Counter

from grader import lines
from grader.subject import Server

#: A client's connection, held by any process.
SOCKETS = "sockets"
FILES = "files of the root"
DESCRIPTORS = (FILES, "pipes", "epolls and the like", "other sockets", "other files")
PARENT, CHILDREN = "descriptors of the parent", "descriptors of other processes"
TASKS = ("threads", "processes")
ZOMBIES, GREENLETS, WATCHED = "zombies", "greenlets", "entries of epoll"


def client_sockets(server: Server) -> list[tuple[int, int, int]]:
    """The descriptors of clients' connections, ours or dead ones: pid, number, inode (Facts.client_descriptors)."""
    found = [
        (pid, number, int(target[8:-1]))
        for pid in server.living()
        for number, target in server.launch.proc.descriptors(pid).items()
        if target.startswith("socket:[") and target not in server.before_clients
    ]
    if not found:
        return found
    port = server.launch.listener.address[1] if server.launch.listener else 0
    elsewhere = server.launch.sockets.elsewhere(port) | server.launch.proc.other_sockets()
    return [each for each in found if each[2] not in elsewhere]


def kind_of(server: Server, target: str) -> str:
    if target.startswith(f"{server.root.path}/"):
        return FILES
    kinds = {"socket": "other sockets", "pipe": "pipes", "anon_inode": "epolls and the like"}
    return kinds.get(target.partition(":")[0], "other files")


def census(server: Server) -> Counter[str]:
    """How many there are of each kind in the whole family, but for greenlets, which are asked for."""
    proc, count = server.launch.proc, Counter[str]()
    for pid in server.living():
        count["processes"] += 1
        count["threads"] += len(proc.numbers(pid, "task")) - 1
        for number, target in proc.descriptors(pid).items():
            count[kind_of(server, target)] += 1
            if target == "anon_inode:[eventpoll]":
                count[WATCHED] += len(proc.watched(pid, number))
    count[SOCKETS] = len(client_sockets(server))
    count["other sockets"] -= count[SOCKETS]
    count[PARENT] = server.descriptors()
    count[CHILDREN] = sum(count[kind] for kind in (SOCKETS, *DESCRIPTORS)) - count[PARENT]
    count[ZOMBIES] = len(server.zombies())
    return count


def has_greenlets(server: Server) -> bool:
    return "/greenlet/" in server.launch.proc.read(server.main, "maps")


def greenlets(server: Server) -> int:
    """How many greenlets wait somewhere in the learner's program. Asking wakes the server; what it does then is
    to write this down and to go back to sleep."""
    for pid in server.living():
        (server.launch.lines / str(pid)).unlink(missing_ok=True)
    return sum(map(len, lines.ask(server.launch).greenlets.values()))


def exceeds(now: Counter[str], goal: Counter[str], kinds: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(kind for kind in kinds if now[kind] > goal[kind])


def count_at_rest(server: Server, kinds: tuple[str, ...], goal: Counter[str] | None = None) -> Counter[str]:
    """Count when what was begun is done: when there is no more than `goal` has, or it is proven that it stays so.

    Without a goal only what the server has when it has come to rest, and no verdict.
    """
    now = Counter[str]()

    def reached() -> bool:
        now.clear()
        now.update(census(server))
        return not exceeds(now, goal, tuple(kind for kind in kinds if kind != GREENLETS))

    server.come_to_rest(turns=2)
    if goal is None:
        now = census(server)
    elif not (outcome := server.until(reached, server.patience)):
        server.manners.caught = server.manners.caught or not (outcome.proven and server.prover.at_rest)
    if GREENLETS in kinds and has_greenlets(server):
        now[GREENLETS] = greenlets(server)
        if goal is not None and now[GREENLETS] > goal[GREENLETS]:
            server.until(lambda: False, server.patience)  # a nap may end; who sleeps for good is proven to
            now[GREENLETS] = greenlets(server)
    return now
