"""`python -m grader.models FILE`: one scene, played with each of the eight solutions, as pictures side by side."""

import sys
from pathlib import Path

from grader import STEPS
from grader.client import request
from grader.finding import CannotGrade
from grader.grading import REPOSITORY, Grading
from grader.proof import look
from grader.record import Story
from grader.report import files, page
from grader.subject import Server

CLIENTS = 5
LOOK_FOR = {
    "01_blocking": "A staircase. Client #1 is the only one that is served; the others wait in the backlog, though all "
    "of them have asked. When #1 ends its request, they are served one after the other, in the order of their coming.",
    "02_multiprocess": "Flat: each has its answer as soon as it has asked. Under the clients there is a process for "
    "each, asleep in recv on its socket, and the main one in accept.",
    "03_multithread": "Flat, with one process: what were processes are threads.",
    "04_gevent": "Flat, with one thread: it sleeps in epoll_wait for all of them. Greenlets are not seen from outside.",
    "05_nonblocking": "Flat, with one thread that never sleeps for long: it asks each socket in turn and naps.",
    "06_keepalive": "As step 5: whether a connection is long does not matter to who waits for whom.",
    "07_epoll": "Flat, with one thread, asleep in epoll_wait until the kernel names a socket.",
    "08_epoll_keepalive": "As step 7, with long connections.",
}


def play(server: Server) -> str:
    """Five clients send half a request, in order; then they end them, the last to come first.

    Each waits for its answer as long as something can come. Returns what the kernel showed while all stalled.
    """

    def note() -> None:
        server.note_sight(look(server.launch.proc, server.launch.family))

    head = request("/page1.txt", headers=("Connection: close",))
    crowd = []
    for _ in range(CLIENTS):
        client = server.client()
        client.send(head[:20])
        crowd.append(client)
        server.settle(lambda client=client: server.has_read(client))
        note()
    processes, threads, descriptors = len(server.living()), len(server.tasks()), server.client_descriptors()
    facts = f"{processes} process{'es' if processes > 1 else ''}, {threads} thread{'s' if threads > 1 else ''}, "
    facts += f"{descriptors} descriptors of clients' sockets"
    for client in reversed(crowd):
        client.send(head[20:])
        server.settle(lambda client=client: client.ended)
        note()
    for client in crowd:
        server.serves(client, "/page1.txt")
        server.must(lambda client=client: client.ended, "the end of the stream")
    return facts


def picture(step: str) -> tuple[str, Story, str]:
    grading = Grading(REPOSITORY / "solutions", step)
    try:
        with grading.started() as server:
            facts = play(server)
            return step, server.story(), facts
    finally:
        grading.close()


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or files.why_not_writable(Path(arguments[0])):
        print("python -m grader.models FILE: name a file that can be written", file=sys.stderr)
        return 2
    try:
        played = [(*picture(step), LOOK_FOR[step]) for step in STEPS]
    except CannotGrade as error:
        print(error, file=sys.stderr)
        return 2
    files.write_whole(Path(arguments[0]), page.models(played))
    print(f"eight pictures: {arguments[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
