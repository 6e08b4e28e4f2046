"""The ways in which a client may leave: what one client does, told once.

A way is a generator: it yields the states that make it sharper, and goes on when they hold, or when the server has
come to rest without. So many clients do the same side by side, or, in step 1, one after the other.
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

from grader.client import Client, request
from grader.subject import Server

TINY = 4096  # bytes: the window of a slow reader
State = Callable[[], object]
PAGE = request("/page1.txt")
HALF = PAGE[:-9]
PAST, TO_COME = "Mon, 01 Jan 2001 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"
CLOSED, RESET = Client.close, Client.reset


@dataclass(frozen=True)
class Way:
    """`told`: what became of one who left so. `dear`: it costs much time, so few do it. `head`: of a whole request."""

    told: str
    act: Callable[[Server], Iterator[State]]
    dear: bool = False
    before_accepted: bool = False
    head: bytes = b""


def left(bye: Callable[[Client], None]) -> str:
    return f"left by a {bye.__name__}"


def taken(server: Server, client: Client) -> bool:
    """Whether the server has accepted this client, and read what has come. (Facts.has_read waits for TCP to have
    acknowledged it, which for a second head takes 40 ms.)"""
    row = server.row(client)
    return bool(client.ended) or (row is not None and row.inode != 0 and row.unread == 0)


def served(told: str, data: bytes, *, answers: int = 1, half_closes: bool = False, dear: bool = False) -> Way:
    def act(server: Server) -> Iterator[State]:
        client = server.client()
        client.send(data)
        if half_closes:
            client.half_close()
        yield lambda: len(client.replies) >= answers or client.ended or client.malformed
        client.close()

    return Way(f"had {told} and left when the answer was there", act, dear, head=data)


def unfinished(
    told: str,
    data: bytes,
    bye: Callable[[Client], None],
    *,
    first: bytes = b"",
    half: bool = False,
    dear: bool = False,
) -> Way:
    """Leaves before its request is whole. first: a request that is answered before."""

    def act(server: Server) -> Iterator[State]:
        client = server.client()
        if first:
            client.send(first)
            yield lambda: client.replies or client.ended
        if data:
            client.send(data)
        if half:
            client.half_close()
            yield lambda: client.ended
        else:
            yield lambda: taken(server, client)
        bye(client)

    return Way(f"had {told} and {left(bye)}", act, dear)


def unheard(bye: Callable[[Client], None], data: bytes, words: str = "a whole request") -> Way:
    def act(server: Server) -> Iterator[State]:
        client = server.client(wait=False)
        client.send(data)
        yield lambda: client.connected and not client.outbox
        bye(client)

    sent = words if data else "nothing"
    return Way(f"had sent {sent} and {left(bye)} before they were accepted", act, before_accepted=True, head=data)


def unread(told: str, data: bytes, bye: Callable[[Client], None]) -> Way:
    def act(server: Server) -> Iterator[State]:
        client = server.client()
        client.stop_reading()
        client.send(data)
        bye(client)
        yield from ()

    return Way(f"had {told} and {left(bye)} at once, without reading: in mid-answer, perhaps", act, head=data)


def stuck(bye: Callable[[Client], None], *, half: bool = False, more: bytes = b"") -> Way:
    """half: ends its sending side first, so that a reset is told as EPIPE and not as ECONNRESET."""

    def act(server: Server) -> Iterator[State]:
        server.root.big  # noqa: B018 - writes the file
        client = server.client(window=TINY)
        client.stop_reading()
        client.send(request("/big.bin") + more)
        yield lambda: server.has_sent(client)
        yield REST  # a send that is under way takes more and more while its client reads
        if half:
            client.half_close()
            yield REST
        bye(client)

    first = ", ended the sending side" if half else ", asked for more" if more else ""
    return Way(f"had asked for a file of several MiB{first} and {left(bye)} in mid-answer", act, dear=True)


def shrunk(server: Server) -> Iterator[State]:
    """Only one of them at a time changes the file: the others ask for what it is then."""
    name = f"/shrinks-{server.had}.bin"
    server.root.add(name, server.root.big)
    client = server.client(window=TINY)
    client.stop_reading()
    client.send(request(name))
    yield lambda: server.has_sent(client)
    yield REST
    server.root.shrink(name, 1 << 20)
    client.open_window()
    yield lambda: client.ended or client.replies or client.malformed
    client.close()
    server.root.remove(name)


def REST() -> bool:
    """A state without a condition: it is waited for until the server has come to rest."""
    return True


#: What is not answered with a file.
OTHERS = {
    request("/nope.txt"): "a request for a file that is not there",
    request("/sub"): "a request for a folder",
    request("/empty.txt"): "a request for an empty file",
    request("/page1.txt", method="DELETE"): "a request with another method",
    b"HELLO\r\n\r\n": "no HTTP",
}

#: The lines on what becomes of those who leave too soon: who has lost one of them is asked no more about it elsewhere.
LEFT = {"vanishing", "reset_in_answer"}

SERVED = (
    served("asked for a file", PAGE),
    served("asked for an empty file", request("/empty.txt")),
    served("asked for a file that is not there", request("/nope.txt")),
    served("asked for a folder", request("/sub")),
    served("asked for the index of a folder", request("/sub/")),
    served(
        "asked for a file with lines that ask for less",
        request(
            "/page1.txt",
            headers=("If-Modified-Since: Mon, 01 Jan 2001 00:00:00 GMT", 'If-None-Match: "a"', "Accept-Encoding: gzip"),
        ),
    ),
    served("asked for a FIFO", request("/fifo")),
    served("asked for a socket", request("/socket")),
    served("asked for a folder whose index.html is a folder", request("/odd/")),
    served("asked for a link that stays inside the root", request("/relative.txt")),
    served("asked for a file behind a linked folder", request("/shortcut/deep/page.txt")),
    served("asked for a range", request("/page1.txt", headers=("Range: bytes=2-5",))),
    served("asked for a range that is not there", request("/large.bin", headers=("Range: bytes=99999999-",))),
    served("asked for a file of 100 KB", request("/hundred.bin")),
    served(
        "asked for a file that has not changed", request("/hundred.bin", headers=(f"If-Modified-Since: {TO_COME}",))
    ),
    served(
        "asked for a file if it has not changed", request("/hundred.bin", headers=(f"If-Unmodified-Since: {PAST}",))
    ),
    served("asked for a file by another tag", request("/hundred.bin", headers=('If-Match: "a"',))),
    served("asked for a file by any tag but its own", request("/hundred.bin", headers=("If-None-Match: *",))),
    served("asked for two ranges", request("/hundred.bin", headers=("Range: bytes=0-1,5-6",))),
    served("asked for a file by HEAD", request("/hundred.bin", method="HEAD", headers=("Connection: close",))),
    served("asked for a file by another method", request("/hundred.bin", method="PUT", headers=("Content-Length: 0",))),
    served("asked for a link that leaves the root", request("/link.txt")),
    served("asked for a link that leads back to itself", request("/ring")),
    served("asked for a path with a NUL", request("/page1.txt%00")),
    served("asked for a folder without an index.html", request("/bare/")),
    served("asked for a file as if it were a folder", request("/page1.txt/")),
    served("asked with another method", request("/page1.txt", method="DELETE")),
    served("sent no HTTP", b"HELLO\r\n\r\n"),
    served("asked without a Host", b"GET /page1.txt HTTP/1.1\r\n\r\n"),
    served("asked for a path with a percent that is no escape", request("/%zz")),
    served("asked for a file, ended the sending side", PAGE, half_closes=True),
    served("asked by HTTP/1.0", request("/page1.txt", version="1.0")),
    served("asked for a file of 3 MiB", request("/large.bin"), dear=True),
)
#: What browsers say of themselves, and of the page that led here.
FROM_A_PAGE = ("Referer: http://kata.test/page1.txt", "User-Agent: Mozilla/5.0", "Accept-Language: en")
FOLLOWED = tuple(
    served(f"followed a link to {target}", request(target, headers=FROM_A_PAGE))
    for target in ("/page1.txt", "/hundred.bin", "/nope.txt", "/sub")
)
CLOSES = served("asked for a file, with `Connection: close`,", request("/page2.txt", headers=("Connection: close",)))
LARGE = SERVED[-1]
REFUSED = tuple(way for way in SERVED if way.head in OTHERS or b"%" in way.head or b"Host" not in way.head)
CLOSES_LARGE = served("asked for 100 KB, the last ones,", request("/hundred.bin", headers=("Connection: close",)))
LONG_SERVED = (
    CLOSES,
    CLOSES_LARGE,
    served("sent 100 requests in one piece", PAGE * 100, answers=100, dear=True),
    served("asked for files of 100 KB, three times", request("/hundred.bin") * 3, answers=3),
    served(
        "asked for a file of 100 KB, then for one that is not there",
        request("/hundred.bin") + request("/no"),
        answers=2,
    ),
)
VANISHED = (
    unfinished("sent 0 bytes", b"", CLOSED),
    unfinished("sent 0 bytes", b"", RESET),
    unfinished(f"sent {len(HALF)} bytes", HALF, CLOSED),
    unfinished(f"sent {len(HALF)} bytes", HALF, RESET),
    unfinished(f"sent {len(HALF)} bytes, ended the sending side", HALF, CLOSED, half=True),
    unfinished("sent 0 bytes, ended the sending side", b"", CLOSED, half=True),
    unheard(RESET, b""),
    unheard(RESET, PAGE),
    unheard(CLOSED, b""),
    *(unheard(RESET, data, words) for data, words in OTHERS.items()),
    unfinished(
        "sent a head and 2 bytes of a body of 5", request("/page1.txt", headers=("Content-Length: 5",)) + b"he", CLOSED
    ),
    unfinished(
        "sent a head and half of a chunk of its body",
        request("/page1.txt", headers=("Transfer-Encoding: chunked",)) + b"5\r\nhe",
        CLOSED,
    ),
    unfinished("sent 72 KiB without a blank line", b"GET / HTTP/1.1\r\nX: " + b"x" * (72 << 10), RESET, dear=True),
)
ZEROS, HALVES = VANISHED[:2], VANISHED[2:5]
PART = f"been served, sent {len(HALF)} bytes of a second request"
SECOND_HEAD = (
    *(unfinished(PART, HALF, bye, first=PAGE) for bye in (CLOSED, RESET)),
    unfinished(f"{PART}, ended the sending side", HALF, CLOSED, first=PAGE, half=True),
)
IDLE = (
    unfinished("been served, was idle", b"", CLOSED, first=PAGE),
    unfinished("been served, was idle", b"", RESET, first=PAGE),
    unfinished("been served, was idle, ended the sending side", b"", CLOSED, first=PAGE, half=True),
    unfinished("been told that a file is not there, was idle", b"", CLOSED, first=request("/nope.txt")),
)
STUCK = (stuck(RESET), stuck(CLOSED))
IN_ANSWER = (
    Way("asked for a file that shrank in mid-answer", shrunk, dear=True),
    unread("asked for a file", PAGE, CLOSED),
    unread("asked for a file", PAGE, RESET),
    *(unread(f"sent {words}", data, RESET) for data, words in OTHERS.items()),
    STUCK[0],
    stuck(RESET, half=True),
    STUCK[1],
)
PIPELINED = (
    unread("sent 5 requests in one piece", PAGE * 5, CLOSED),
    unread("sent 5 requests in one piece", PAGE * 5, RESET),
    stuck(RESET, more=PAGE * 2),
)


def own_validators(server: Server) -> tuple[Way, ...]:
    """What the server has said of its files, sent back to it."""
    found = []
    for target in ("/page1.txt", "/hundred.bin"):
        reply = server.get(target)
        for name, field in (("etag", "If-None-Match"), ("last-modified", "If-Modified-Since"), ("etag", "If-Range")):
            for value in reply.values(name)[:1]:
                lines = (f"{field}: {value}", *("Range: bytes=0-9",) * (field == "If-Range"))
                found.append(
                    served(f"asked for {target} with the server's own {field}", request(target, headers=lines))
                )
    return tuple(found)


def play(server: Server, ways: list[Way], at_once: int) -> list[tuple[Way, list[Client]]]:
    """One client for each of these ways, so many side by side. Returns who left in which way.

    A request that is known not to be answered is left out: what becomes of its client is another line's.
    """
    ways = [way for way in ways if not way.head or way.head not in server.verdicts.unanswered]
    left_so: list[tuple[Way, list[Client]]] = []
    for early in (False, True):
        these = [way for way in ways if way.before_accepted == early]
        size = 40 if early else at_once
        for at in range(0, len(these), size):
            some = these[at : at + size]
            server.did(f"{len(some)} came: they {list_of(some)}", again=True)
            with server.stopped() if early else nullcontext():
                crowd = side_by_side(server, some)
            server.leave()
            left_so += crowd
            if size == 1 and not server.settle(partial(forgets, server, crowd[0][1])):
                return left_so  # it keeps this one, and serves nobody else
    return left_so


def forgets(server: Server, left: list[Client]) -> bool:
    return all(map(server.forgotten, left))


def all_hold(states: list[State]) -> bool:
    return all(state() for state in states)


def list_of(some: list[Way]) -> str:
    return "; ".join(dict.fromkeys(way.told for way in some))


def side_by_side(
    server: Server, ways: list[Way], looking: Callable[[State], object] | None = None
) -> list[tuple[Way, list[Client]]]:
    """looking: asks for a state, and looks at the server meanwhile. Then the server is stopped while they do what they
    do, and finds all of it done at once."""
    left_so, going = [], []
    moment = server.stopped if looking else nullcontext
    with moment():
        for way in ways:
            already = len(server.clients)
            act = way.act(server)
            state = next(act, None)
            left_so.append((way, server.clients[already:]))
            going.append((act, state))
    while going := [(act, state) for act, state in going if state is not None]:
        states = [state for _, state in going]
        all_of_them = partial(all_hold, states)
        server.settle(partial(looking, all_of_them) if looking else all_of_them)
        if REST in states:
            server.come_to_rest(turns=2)
        server.rows()  # so that it is known whose a socket was that is left
        with moment():
            going = [(act, next(act, None)) for act, _ in going]
    if looking:
        server.settle(partial(looking, partial(forgets, server, [client for _, some in left_so for client in some])))
    return left_so
