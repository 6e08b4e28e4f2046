"""Section 5 of the contract, last paragraph: what is reported beside the points."""

import math
import resource
import signal

from grader.client import request
from grader.grading import Grading
from grader.shortage import Shortage
from grader.subject import Server
from grader.words import plural
from tests.checks import clients, life, long, model, questions


def ends_in_service(grading: Grading) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        ended_in_service(grading, number)


def ended_in_service(grading: Grading, number: signal.Signals) -> None:
    host = life.own_address()
    with grading.started("--host", host) as server:
        server.did(f"three clients stalled, one read nothing of a large answer; sent {number.name}")
        clients.stuck_readers(server, 1)
        for _ in range(3):
            server.client().send(b"GET /page1.txt HT")
        server.settle(lambda: all(map(server.has_read, server.clients[1:])))
        server.come_to_rest()
        server.end_by(number)
        server.must(
            server.gone,
            "the end of every process",
            saw=lambda: life.survivors(server),
            look_at=questions.SURVIVORS,
        )
        port, story = str(server.listener.address[1]), list(server.told)
        server.launch.end()
    life.started_again(grading, host, port, story)


def descriptors_run_out(grading: Grading, room: int = 12) -> None:
    with grading.started() as server:
        server.get("/page1.txt")
        server.settle(lambda: server.client_descriptors() == 0)
        limit = server.descriptors() + room
        server.did(f"the server may open {room} descriptors more; {3 * room} clients connected and stalled")
        grading.walls.set_descriptors(server.main, limit)
        crowd = [server.client() for _ in range(3 * room)]
        for client in crowd:
            client.send(b"GET /page1.txt HT")
        server.settle(lambda: server.gone() or (server.descriptors() >= limit - 1 and waiting(server)))
        model.at_rest(server, "while descriptors are short", wakes=math.inf)
        server.did("then the flood left")
        server.close_clients()  # whom it sends away meanwhile is its own business
        server.settle(lambda: server.client_descriptors() == 0)
        server.serves(
            server.ask("/page1.txt"), "/page1.txt", look_at="what does accept() say when descriptors run out?"
        )


def waiting(server: Server) -> int:
    """Connections that nobody has accepted."""
    return sum(row.unread for row in server.launch.sockets.listeners() if row.inode == server.listener.inode)


def ten_thousand(grading: Grading, count: int = 10_000) -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    with grading.started() as server:
        if soft < count + 200:
            raise Shortage(
                f"{count:,} connections take {count + 200} descriptors, and a process may have {soft}: `ulimit -Hn`"
            )
        server.did(f"{count} clients connected and stayed; then a new one came, and three of the old ones asked")
        for _ in range(0, count, 500):
            crowd = [server.client() for _ in range(500)]
            server.settle(lambda: not waiting(server))
        server.must(
            lambda: server.client_descriptors() >= count,
            f"{count} connections held",
            saw=lambda: f"{plural(server.client_descriptors(), 'connection')} held",
            look_at="how many descriptors may a process have, and who may ask for more?",
        )
        server.serves(server.ask("/small.bin"), "/small.bin")
        for client in (server.clients[0], server.clients[count // 2], crowd[-1]):
            client.send(request("/page3.txt"))
            long.asked(server, client, "/page3.txt")
        server.leave()


def idle_ends(grading: Grading) -> None:
    with grading.started() as server:
        server.did("was served on a long connection, then was silent")
        client = server.ask("/page1.txt")
        server.serves(client, "/page1.txt")
        stated = long.stated_timeout(client)
        if stated is None or stated > 60:
            saw = "no such limit in the answer" if stated is None else f"a limit of {stated:g} s"
            expected = "a stated limit for idle connections: Keep-Alive: timeout=N, of 60 s at most"
            server.fail(expected, saw, look_at="how would a client know how long it may be silent?")
        assert stated is not None  # who states none has failed
        server.wait_out(lambda: client.ended, stated)
        expected = f"the end of the connection after {stated:g} s"
        server.must(lambda: client.ended, expected, clients=[client], look_at=questions.TIMER)
        if client.idle_time() < stated - 0.5:
            saw = f"it came after {client.idle_time():.1f} s"
            server.fail(f"{expected}, not sooner", saw, clients=[client], look_at=questions.TIMER)
