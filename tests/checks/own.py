"""Section 5 of the contract, steps 2 to 4: a process, a thread or a greenlet for whoever comes with a whole request.

Of a client who stalls the kernel tells who serves it. One who has its answer at once is gone before a look; but whoever
has served it has run, or was made and is gone, and that leaves traces (grader.traces). If nobody but the one who
accepts has done so much as that, it has answered by itself.
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext

from grader.client import Client
from grader.kernel import Task
from grader.subject import Server
from grader.timers import ACCEPT
from grader.traces import Newcomers, Others, Traces, last_pid_tells, others
from tests.checks.model import HELPERS, kinds

TRIES = 20  # of one kind, at a moment in which strangers make no process or thread that ends at once
MOST_TRIES = 80  # of all kinds


def nobody_by_the_parent(server: Server) -> None:
    """Whatever is asked for: if one process alone accepts, it is another that answers, and that has run or is gone."""
    server.did("one client was served")
    server.get("/page1.txt")
    if sole := sole_acceptor(server):
        nobody_by(server, "process", sole, stop=sole == server.main, costs="own_processes")


def nobody_by_the_main_thread(server: Server) -> None:
    """The same of threads: the one who accepts is the only one there is, or the only one who sleeps for many."""
    server.did("one client was served")
    server.get("/page1.txt")
    server.come_to_rest()
    tasks = server.tasks()
    waiting = tasks if len(tasks) == 1 else [task for task in tasks if may_accept(server, task)]
    if len(waiting) == 1:  # and stopped only if it is the only one: all are woken by that
        sole = waiting[0]
        nobody_by(server, "thread", sole.pid, sole.tid, stop=len(tasks) == 1, costs="own_threads")


def nobody_by(server: Server, what: str, pid: int, tid: int = 0, *, stop: bool, costs: str) -> None:
    """Fail if this process, or thread of it, which accepts, has answered by itself."""
    if not last_pid_tells(server.launch.proc):
        return

    def look() -> Others:
        return others(server.launch.proc, server.launch.family(), pid, tid)

    for asked in served_alone(server, look, stop):
        server.fail(
            f"the {what} that accepts answers nobody itself",
            f"no other {what} ran or was made, and yet this was answered: {asked}",
            look_at=f"which {what} answers if a whole request is there at once, and is it so for each of them?",
            costs=costs,
        )


def sole_acceptor(server: Server) -> int:
    """The process that holds the listener, if it is one alone; else 0."""
    port = server.listener.address[1]
    doors = {f"socket:[{row.inode}]" for row in server.launch.sockets.listeners() if row.address[1] == port}
    holders = [pid for pid in server.living() if doors & set(server.launch.proc.descriptors(pid).values())]
    return holders[0] if len(holders) == 1 else 0


def may_accept(server: Server, task: Task) -> bool:
    """Whether a thread sleeps in a call that a client at the listener may end."""
    if task.call in ACCEPT:
        return server.launch.proc.descriptor(task.pid, task.descriptor) == f"socket:[{server.listener.inode}]"
    return task.call is None or "poll" in task.call or "select" in task.call


def served_alone(server: Server, look: Callable[[], Others], stop: bool) -> Iterator[str]:
    """The kinds of requests that were answered though nobody of the others has run, was made, or is gone."""
    tries = MOST_TRIES
    for sent, asked in kinds(server).items():
        server.did(f"one client came with a whole request at once, for {asked}", again=True)
        for _ in range(min(TRIES, max(tries, 1))):
            tries -= 1
            if not (before := at_rest_all(server, look)):
                return
            traces = Traces(server.launch.proc, server.main, {})
            newcomers, answered = answered_meanwhile(server, sent, stop)
            if newcomers.ours or not answered or before != look() or traces.threads():
                break
            if newcomers.nobody() and before == at_rest_all(server, look):
                yield asked
                return


def at_rest_all(server: Server, look: Callable[[], Others]) -> Others | None:
    """All asleep, and none has run between two looks; None if that does not come to be."""
    seen: list[Others] = [look()]

    def resting() -> bool:
        seen.append(look())
        return seen[-1].asleep and seen[-2] == seen[-1]

    return seen[-1] if resting() or server.settle(resting) else None


def answered_meanwhile(server: Server, sent: bytes, stop: bool) -> tuple[Newcomers, bool]:
    """Who was made while a client came with this request, and whether it has an answer."""
    with server.stopped() if stop else nullcontext():
        newcomers = Newcomers(server.launch.proc, server.launch.family, server.launch.body.adopter)
        client = server.client()
        client.send(sent)

    def done() -> bool:
        newcomers.note()
        return client.done()

    server.until(done)
    newcomers.note()
    answered = bool(client.replies)
    server.leave()
    return newcomers, answered


def no_thread_for_an_answer(server: Server) -> None:
    """Threads that have ended, as often as gevent has helpers and more: they were made anew."""
    server.did("clients came with whole requests of every kind, all at once, three times")
    everything = list(kinds(server))
    crowd_served(server, everything)
    crowd_served(server, everything)
    if not ends_a_thread(server, everything):
        return
    for sent, asked in kinds(server).items():
        server.did(f"three clients at a time came with a whole request, for {asked}, again and again", again=True)
        ended = tries = 0
        while ended * 2 >= tries and ended <= HELPERS:
            ended, tries = ended + ends_a_thread(server, [sent] * 3), tries + 1
        if ended > HELPERS:
            server.fail(
                "no thread is made for an answer",
                f"a thread had ended after {ended} of {tries} times",
                look_at="which call makes a thread for each answer, and what for?",
                costs="one_os_thread",
            )


def ends_a_thread(server: Server, requests: list[bytes]) -> bool:
    """Whether it is proven that a thread of the main process has ended while these were answered."""
    traces = Traces(server.launch.proc, server.main, {})
    crowd_served(server, requests)
    return traces.threads()


def crowd_served(server: Server, requests: list[bytes]) -> None:
    with server.stopped():
        crowd = [server.client() for _ in requests]
        for client, sent in zip(crowd, requests, strict=True):
            client.send(sent)
    server.until(lambda: all(map(Client.done, crowd)))
    server.leave()
