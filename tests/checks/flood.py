"""Section 5 of the contract, first paragraph: one client that sends without end, as fast as it can, delays nobody.

Why no right server can fail here. The flooder is a process of its own, so the grader never slows it down, and
what it has in hand lies in the kernel. The server is stopped, SIGSTOP, until the kernel takes no more of the
flood; then another client connects and sends a whole request: both are there before the server goes on. From
there on only what the server does counts, in order:

- Who has one thread takes something of the flood, and comes to the other client, in turn. A round takes what one
  recv() is given room for, some KiB or a few MiB, and the other client needs a few rounds: to be accepted, read,
  answered. So it has its answer before AT_MOST of the flood is taken after it asked. How much was taken is what
  the kernel says: all that is acknowledged, less what still lies unread in the server's socket; both only err
  towards less. A server that is slow takes less of the flood in the same time, not more; so does one that is
  short of the CPU. One that reads but 4 KiB a round, or an octet, has thousands of rounds.
- A head that never ends is cut off once it is past 64 KiB, or read on and thrown away, a piece in each round.
- A connection that is cut off takes its bytes with it: the count begins anew with the next.
- Where each client has a thread or a process, who floods and who asks are not served in turn, and nothing is
  counted (`in_turn` is off): the answer has to come, as everywhere, before the kernel proves that it cannot or
  the deadline passes.

A server that reads until EAGAIN never comes to EAGAIN: the next piece is there when it asks.
"""

import mmap
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grader import evidence
from grader.launch import our_own
from grader.subject import Server
from tests.checks import flooder, questions

AT_MOST = 16 << 20  # bytes of the flood, taken since the other client asked
KINDS = {
    "head": "a client sends a request head that never ends",
    "requests": "a client sends request after request without end, and reads the answers as they come",
    "unread": "a client sends request after request without end, and reads no answer",
}


class Flood:
    """The flooder as the grader sees it: what it says of itself, and what the kernel says of its connection."""

    def __init__(self, server: Server, board: memoryview):
        self.server = server
        self.board = board
        self.seen: tuple[int, ...] = (0, 0, 0)
        self.since = 0

    def blocked(self) -> bool:
        """Whether the kernel takes no more, the server being stopped: two turns without a byte."""
        now = tuple(self.board[place] for place in (flooder.NUMBER, flooder.SENT, flooder.ACKED))
        turn = self.board[flooder.TURNS]
        if now != self.seen:
            self.seen, self.since = now, turn
        return self.board[flooder.SENT] > 0 and turn > self.since + 2

    def taken(self) -> tuple[int, int]:
        """The connection's number, and how many bytes of it the server has taken: so many at least."""
        number, acked, port = (self.board[place] for place in (flooder.NUMBER, flooder.ACKED, flooder.PORT))
        row = self.server.launch.sockets.connection(self.server.address, ("127.0.0.1", port)) if port else None
        changing = number % 2 or number != self.board[flooder.NUMBER]
        return number, 0 if changing or row is None else max(acked - row.unread, 0)

    def taken_since(self, before: tuple[int, int]) -> int:
        number, taken = self.taken()
        return taken - before[1] if number == before[0] else taken


@contextmanager
def flooding(server: Server, kind: str) -> Iterator[Flood]:
    """One that floods meanwhile; it is gone when this is over."""
    memory = os.memfd_create("flood")
    try:
        os.ftruncate(memory, 40)
        host, port = server.address
        program = Path(flooder.__file__)
        command = [sys.executable, "-I", "-S", str(program), kind, host, str(port), str(memory)]
        with our_own(command, (memory,)):
            yield Flood(server, memoryview(mmap.mmap(memory, 40)).cast("q"))
    finally:
        os.close(memory)


def delays_nobody(server: Server, *, in_turn: bool) -> None:
    """A head without end. in_turn: one thread serves them all."""
    flooded(server, "head", in_turn, 3)


def requests_delay_nobody(server: Server, *, in_turn: bool) -> None:
    """Whole requests without end. No points rest on it: who serves a client until EAGAIN, or throws away what it
    sends behind the last request until EAGAIN (a close that lingers), is held up only by one who is faster."""
    for kind in ("requests", "unread"):
        flooded(server, kind, in_turn, 2)


def flooded(server: Server, kind: str, in_turn: bool, count: int) -> None:
    """So many others come while one floods."""
    server.did(f"{KINDS[kind]}, as fast as it can, and comes again if it is cut off")
    with flooding(server, kind) as flood:
        for number in range(count):
            server.did("then another client came and sent a whole request", again=number > 0)
            one_more(server, flood, in_turn)
    server.settle(lambda: server.client_descriptors() == 0)


def one_more(server: Server, flood: Flood, in_turn: bool) -> None:
    """Another client comes, and is answered while the flood goes on."""
    with server.stopped():
        if not server.wait_out(flood.blocked, 10):
            server.notes.append("a flood was to be made, and did not begin within 10 s: nobody was tried in it")
        before = flood.taken()
        client = server.ask("/small.bin")
    server.must(
        lambda: client.done() or (in_turn and flood.taken_since(before) > AT_MOST),
        f"an answer for {client.name} while another floods",
        clients=[client],
        look_at=questions.FLOOD,
    )
    if not client.done():
        taken = f"{flood.taken_since(before) >> 20} MiB of the flood were taken since it asked"
        expected = f"an answer for {client.name} before {AT_MOST >> 20} MiB more of the flood are taken"
        saw = f"{taken}; {evidence.state_of(client, server.launch)}"
        server.fail(expected, saw, clients=[client], look_at=questions.FLOOD)
    server.serves(client, "/small.bin", look_at=questions.FLOOD)
    server.leave(client)
