"""What a server and all its processes have of each kind, and whether clients make it grow without end."""

from collections import Counter

from grader.holdings import EPOLL
from grader.subject import Server

#: A client's connection, held by any process.
SOCKETS = "sockets"
FILES = "files of the root"
DESCRIPTORS = (FILES, "pipes", "epolls and the like", "other sockets", "other files")
PARENT, CHILDREN = "descriptors of the parent", "descriptors of other processes"
TASKS = ("threads", "processes")
ZOMBIES, GREENLETS, WATCHED = "zombies", "greenlets", "entries of epoll"


def kind_of(server: Server, target: str) -> str:
    if target.startswith(f"{server.root.path}/"):
        return FILES
    kinds = {"socket": "other sockets", "pipe": "pipes", "anon_inode": "epolls and the like"}
    return kinds.get(target.partition(":")[0], "other files")


def census(server: Server) -> Counter[str]:
    """How many there are of each kind in the whole family, but for greenlets, which are asked for: that
    wakes the server, and what it does then is to write this down and to go back to sleep."""
    proc, count = server.launch.proc, Counter[str]()
    for pid in server.living():
        count["processes"] += 1
        count["threads"] += len(proc.numbers(pid, "task")) - 1
        for number, target in proc.descriptors(pid).items():
            count[kind_of(server, target)] += 1
            if target == EPOLL:
                count[WATCHED] += len(proc.watched(pid, number))
    count[SOCKETS] = server.client_descriptors()
    count["other sockets"] -= count[SOCKETS]
    count[PARENT] = server.descriptors()
    count[CHILDREN] = sum(count[kind] for kind in (SOCKETS, *DESCRIPTORS)) - count[PARENT]
    count[ZOMBIES] = len(server.zombies())
    return count


def has_greenlets(server: Server) -> bool:
    return "/greenlet/" in server.launch.proc.read(server.main, "maps")


def exceeds(now: Counter[str], goal: dict[str, int]) -> tuple[str, ...]:
    return tuple(kind for kind, most in goal.items() if now[kind] > most)


def count_at_rest(server: Server, goal: dict[str, int]) -> Counter[str]:
    """Count when what was begun is done, and there is no more than the goal says, or it is proven that it stays so.

    What the goal does not name is not waited for.
    """
    now = Counter[str]()
    silent = {kind: most for kind, most in goal.items() if kind != GREENLETS}  # these are not asked for

    def reached() -> bool:
        now.clear()
        now.update(census(server))
        return not exceeds(now, silent)

    server.come_to_rest(turns=2)
    if not (outcome := server.until(reached, server.patience, lasting=True)):
        server.verdicts.caught = server.verdicts.caught or not (outcome.proven and server.prover.at_rest)
    if has_greenlets(server):
        now[GREENLETS] = server.greenlets() or 0
        if now[GREENLETS] > goal.get(GREENLETS, now[GREENLETS]):
            server.until(lambda: False, server.patience)  # a nap may end; who sleeps for good is proven to
            now[GREENLETS] = server.greenlets() or 0
    return now
