"""Section 4 of the contract: long connections."""

from functools import partial

import requests

from grader import contract, evidence, judge
from grader.client import Client, request
from grader.docroot import beyond_buffers
from grader.questions import Questions
from grader.subject import Server
from grader.words import plural
from tests.checks import clients, framing, questions
from tests.checks.session import Session, get

ZH = ("中文.html", "/%E4%B8%AD%E6%96%87.html")
SERIES = ("/page1.txt", "/nope.txt", "/empty.txt", ZH[1], "/small.bin", "/sub/", "/nope/")


def asked(server: Server, client: Client, target: str, look_at: Questions = "") -> None:
    """Demand the next answer on this connection: the file, or 404."""
    if target in server.root.files:
        server.serves(client, target, look_at=look_at)
    else:
        server.answers(client, (404,), f"GET {target}", look_at)
    server.check(client)


def still_open(server: Server, client: Client, look_at: Questions = "") -> None:
    """Demand that the connection serves another request."""
    client.send(request("/page3.txt"))
    asked(server, client, "/page3.txt", look_at or questions.NEXT_ANSWER)


#: Connection: close, as clients write it.
CLOSE = (
    "Connection: close",
    "connection: close",
    "CONNECTION: CLOSE",
    "Connection: Close",
    "Connection:close",
    "Connection:  close  ",
    "Connection:\tclose\t",
    "cOnNeCtIoN: cLoSe",
)


def hundred(server: Server, count: int = 100) -> None:
    server.did(f"{count} requests are to be sent on one connection, each after the answer to the one before")
    server.root.add_named(*ZH)
    client = server.client()
    for number in range(count):
        target = SERIES[number % len(SERIES)]
        server.did(f"sent request {number + 1} on one connection, after the answer to the one before", again=True)
        client.send(request(target))
        asked(server, client, target, questions.NEXT_ANSWER)
    server.leave()
    long_heads(server)
    hundred_of_a_kind(server)


def hundred_of_a_kind(server: Server, count: int = 98, together: int = 7) -> None:
    """As many that are not there, and as many of which each 7th is large: more than 40 MiB in all."""
    for target, last in (("/nope.txt", "/nope.txt"), ("/page1.txt", "/large.bin")):
        what = target if target == last else f"{target}, and each {together}th for {last}"
        server.did(f"sent {count} requests on one connection, {together} at a time, for {what}")
        client = server.client()
        for _ in range(0, count, together):
            targets = [target] * (together - 1) + [last]
            client.send(b"".join(map(request, targets)))
            for each in targets:
                asked(server, client, each, questions.NEXT_ANSWER)
        server.leave()


def long_heads(server: Server, count: int = 100, together: int = 5) -> None:
    """No more at once than the kernel holds for one who peeks, and takes a head only when it is whole."""
    server.did(f"sent {count} requests of {contract.HEAD:,} bytes each on one connection, {together} at a time")
    client = server.client()
    for _ in range(0, count, together):
        client.send(padded("/page1.txt", contract.HEAD) * together)
        for _ in range(together):
            server.serves(client, "/page1.txt", look_at=questions.MANY_HEADS)


def padded(target: str, size: int) -> bytes:
    """A request of so many bytes."""
    line = "X-Padding: "
    return request(target, headers=(line + "x" * (size - len(request(target, headers=(line,)))),))


def lengths(server: Server) -> None:
    server.root.huge  # noqa: B018 - writes the file
    for method, target in (
        ("GET", "/small.bin"),
        ("GET", "/empty.txt"),
        ("GET", "/large.bin"),
        ("GET", "/huge.bin"),
        ("GET", "/nope.txt"),
        ("GET", "/sub"),
        ("GET", "/../secret.txt"),
        ("GET", "/%00"),
        ("DELETE", "/page1.txt"),
        ("DELETE", "/nope.txt"),
    ):
        server.did(f"sent {method} {target} and read the head of the answer", again=True)
        client = server.ask(target, method=method)
        server.reply(client, f"an answer to {method} {target}", questions.NEXT_ANSWER)
        server.leave()
    server.did("sent `HELLO`, which is no HTTP, and read the head of the answer", again=True)
    client = server.client()
    client.send(b"HELLO\r\n\r\n")
    server.must(lambda: client.replies or client.ended, "400, or the end of the connection", clients=[client])


def ends(server: Server, client: Client, look_at: Questions) -> None:
    server.must(lambda: client.ended, "the end of the stream after the answer", clients=[client], look_at=look_at)
    server.check(client, over=True)


#: A request that asks to close: its line, what it asks for, and how many others were served before on its connection.
LAST = (
    *((line, "GET", "/page2.txt", before) for before in (0, 2) for line in CLOSE[:4]),
    *((line, "GET", "/page2.txt", 1) for line in CLOSE[4:]),
    *((CLOSE[0], "GET", target, 0) for target in ("/nope.txt", "/empty.txt", "/large.bin", "/sub", "/../secret.txt")),
    (CLOSE[0], "GET", "/nope.txt", 1),
    (CLOSE[0], "DELETE", "/page1.txt", 1),
)

#: Where the words `keep-alive` ask for nothing: a target, and a header line.
NO_WISH_TO_STAY = (
    ("/page2.txt?keep-alive", "Accept: */*"),
    ("/page2.txt?Connection:%20keep-alive", "Accept: */*"),
    ("/keep-alive.txt", "Accept: */*"),
    ("/page2.txt", "X-Note: Connection: keep-alive"),
    ("/page2.txt", "Referer: http://kata.test/Keep-Alive"),
)


def closes_when_asked(server: Server) -> None:
    for number, (line, method, target, before) in enumerate(LAST):
        shown = line.replace("\t", "\\t")
        server.did(f"request {before + 1} on a connection was {method} {target} with `{shown}`", again=True)
        client = server.client()
        for _ in range(before):
            client.send(request("/page1.txt"))
            asked(server, client, "/page1.txt")
        lines = (line, "Accept: */*", "X-More: yes") if number % 2 else ("Accept: */*", line, "X-More: yes")
        client.send(request(target, method=method, headers=lines, host=number % 4))
        is_last(server, client, questions.CLOSES)
    for others in (20, 60, 120):
        server.did(f"asked for /page2.txt with {others} header lines, and `{CLOSE[0]}` behind them", again=True)
        fillers = (f"X-{number}: {number}" for number in range(others))
        is_last(server, server.ask("/page2.txt", headers=(*fillers, CLOSE[0])), questions.CLOSES)
    for target, line in (*NO_WISH_TO_STAY, ("/page2.txt", "Keep-Alive: 300"), ("/page2.txt", "Keep-Alive: timeout=9")):
        server.did(f"asked for {target} with `{line}` and `{CLOSE[0]}`", again=True)
        is_last(server, server.ask(target, headers=(line, CLOSE[0])), questions.CLOSES)
    closes_though_cut(server)
    closes_in_a_queue(server)


def closes_though_cut(server: Server) -> None:
    head = request("/page2.txt", headers=(CLOSE[0],))
    begin = head.index(CLOSE[0].encode())
    for cut in (begin + 5, begin + 12, begin + 14) if "pieces" not in server.verdicts.lost else ():
        server.did(f"sent a request in two pieces, `{CLOSE[0]}` cut behind `{CLOSE[0][: cut - begin]}`", again=True)
        client = server.client()
        client.send(head[:cut])
        server.settle(partial(server.has_read, client))
        client.send(head[cut:])
        server.reply(client)
        ends(server, client, questions.CLOSES_CUT)
        server.leave()


def is_last(server: Server, client: Client, look_at: Questions) -> None:
    """The answer that comes now ends the connection, and nothing behind it is answered."""
    server.reply(client)
    nothing_behind(server, client)
    ends(server, client, look_at)
    server.leave()


def nothing_behind(server: Server, client: Client) -> None:
    """Whoever leaves the connection open after the last answer is sent one request more, which is not answered."""
    server.come_to_rest(turns=20)
    if not client.ended:
        server.did("the connection was still open then; sent one request more on it")
        client.send(request("/page3.txt"))
        server.settle(lambda: client.ended or server.has_read(client))
        server.come_to_rest(turns=20)
        server.check(client)


def closes_in_a_queue(server: Server) -> None:
    for line in (CLOSE[0], CLOSE[1]):
        server.did(f"sent two requests in one piece, the first with `{line}`", again=True)
        closes_with_one_left(server, request("/page1.txt", headers=(line,)) + request("/page2.txt"))


def closes_with_one_left(server: Server, two: bytes) -> None:
    """The connection ends with the answer to the first of two requests, /page1.txt."""
    client = server.client()
    client.send(two)
    server.serves(client, "/page1.txt", look_at=questions.CLOSES)
    server.until(lambda: client.ended or len(client.replies) > 1)
    server.see_out(client)
    server.leave()


def closes_after_big(server: Server) -> None:
    """The last time there is room for all of it in the kernel, and the server closes before the client reads."""
    some = server.root.sized(1 << 20)
    behind = request("/page1.txt")
    for target, more in (("/big.bin", b""), ("/big.bin", behind), (some, behind)):
        data = server.root.big if target == "/big.bin" else server.root.files[target]
        what = f"asked for a file of {len(data)} bytes with `Connection: close`"
        what += ", and for another right behind it" * bool(more)
        server.did(f"{what}; read nothing for a while, then all", again=bool(more))
        client = clients.stops_reading(server, request(target, headers=("Connection: close",)) + more)
        server.come_to_rest()
        if more and target == "/big.bin" and ((row := server.row(client)) is None or row.unread):
            return  # the kernel itself resets a connection that is closed with bytes unread
        client.open_window()
        server.serves(client, target, data, look_at="what is still to be sent when the connection is closed?")
        ends(server, client, "what is to come after the last byte of this answer?")
        server.leave()


def closes_for_nothing_else(server: Server) -> None:
    server.did("sent a request that does not ask to close")
    for target, line in (
        ("/page1.txt", "X-Note: Connection: close"),
        ("/page1.txt", "X-Connection: close"),
        ("/page1.txt", "Accept: close"),
        ("/page1.txt?Connection:%20close", "Accept: */*"),
        ("/page1.txt?connection:close", "User-Agent: close"),
        ("/page1.txt", "Connection: keep-alive"),
        ("/page1.txt", "Connection: Keep-Alive"),
        ("/page1.txt", "CONNECTION: KEEP-ALIVE"),
        ("/nope.txt", "Connection: Keep-Alive"),
        ("/nope.txt", "X-Note: Connection: close"),
        ("/page1.txt", "Referer: http://kata.test/HTTP/1.0"),
        ("/page1.txt", "Proxy-Connection: close"),
        ("/page1.txt", "Via: HTTP/1.0 proxy"),
        ("/page1.txt", "X-Note: a\x85Connection: close"),
    ):
        shown = line.replace("\x85", "\\x85")
        server.did(f"asked for {target} with `{shown}`, and for another file on the same connection", again=True)
        client = server.ask(target, headers=(line,))
        server.reply(client, f"an answer to GET {target}", questions.KEEPS)
        still_open(server, client, questions.KEEPS)
        server.leave()


TEN = "what does a client of HTTP/1.0 expect after the answer, if it has asked for nothing else?"


def http10(server: Server) -> None:
    for target in ("/page1.txt", "/nope.txt", "/empty.txt", "/large.bin", "/sub"):
        server.did(f"sent an HTTP/1.0 request for {target}", again=True)
        client = server.ask(target, version="1.0")
        is_last(server, client, TEN)
    for target, line in NO_WISH_TO_STAY:
        server.did(f"sent an HTTP/1.0 request for {target} with `{line}`", again=True)
        is_last(server, server.ask(target, version="1.0", headers=(line,)), TEN)
    server.did("sent an HTTP/1.0 request on a connection after one of HTTP/1.1", again=True)
    client = server.ask("/page1.txt")
    asked(server, client, "/page1.txt")
    client.send(request("/page2.txt", version="1.0"))
    is_last(server, client, TEN)
    server.did("sent an HTTP/1.0 request by another method than GET", again=True)
    client = server.ask("/page1.txt", method="DELETE", version="1.0")
    is_last(server, client, TEN)
    server.did("sent two HTTP/1.0 requests in one piece", again=True)
    closes_with_one_left(server, request("/page1.txt", version="1.0") + request("/page2.txt", version="1.0"))
    server.did("sent one with `Connection: keep-alive`", again=True)
    client = server.ask("/page2.txt", version="1.0", headers=("Connection: keep-alive",))
    asked(server, client, "/page2.txt")
    if not client.ended and "keep-alive" in ",".join(client.replies[0].values("connection")).lower():
        server.did("then, since that was granted, one without", again=True)
        client.send(request("/page1.txt", version="1.0"))
        is_last(server, client, TEN)


def pipelined(server: Server) -> None:
    targets = [
        *SERIES,
        "/large.bin",
        *(f"/page{number}.txt" for number in range(12)),
        "/nope.txt",
        "/page1.txt",
    ]
    server.root.add_named(*ZH)
    server.did(f"sent {len(targets)} requests at once on one connection, and when all were answered one more")
    client = server.client()
    client.send(b"".join(map(request, targets)))
    for target in targets:
        asked(server, client, target, questions.BUFFER)
    still_open(server, client, questions.BUFFER)
    server.leave()
    behind_another_method(server)
    before_what_is_no_http(server)
    server.did("sent 100 requests of 700 bytes at once: more than 64 KiB, though each is short")
    client = server.client()
    client.send(request("/page1.txt", headers=("X-Padding: " + "x" * 640,)) * 100)
    for _ in range(100):
        asked(server, client, "/page1.txt", questions.MANY_HEADS)
    server.leave()
    if "long_head" not in server.verdicts.lost:
        a_queue_behind_a_half(server)


def behind_another_method(server: Server) -> None:
    server.did("sent a request by another method and two of GET at once: the connection may end, or all are answered")
    client = server.client()
    client.send(request("/page1.txt", method="DELETE") + request("/page2.txt") + request("/page3.txt"))
    server.until(lambda: client.over() or client.malformed or len(client.replies) > 2)
    server.check(client, over=True)
    server.leave()


def a_queue_behind_a_half(server: Server) -> None:
    """One recv() makes it more than 64 KiB, all of them whole heads."""
    head = request("/page1.txt", headers=("X-Padding: " + "x" * 7800,))
    more = 1 + (60 << 10) // len(head)
    server.did(f"sent most of a request of {len(head):,} bytes; then the rest, and {more} more of them")
    client = server.client()
    client.send(head[:-100])
    server.settle(partial(server.has_read, client))
    with server.stopped():
        client.send(head[-100:] + head * more)
    for _ in range(1 + more):
        asked(server, client, "/page1.txt", questions.MANY_HEADS)
    server.leave()


def before_what_is_no_http(server: Server) -> None:
    """Who closes with some of it unread resets the connection, and that may cut what is on its way: not judged."""
    server.did("sent two requests and, behind them, what is no HTTP, all at once")
    client = server.client()
    client.send(request("/page1.txt") + request("/page2.txt") + b"HELLO\r\n\r\n")
    server.until(lambda: client.ended or len(client.replies) > 2)
    for target in ("/page1.txt", "/page2.txt") if client.ended != "reset" else ():
        asked(server, client, target, questions.BUFFER)
    server.leave()


def pipelined_in_pieces(server: Server) -> None:
    targets = ("/page1.txt", "/nope.txt", "/empty.txt", "/page2.txt")
    stream = b"".join(map(request, targets))
    for size in (7, 61, len(request("/page1.txt")) + 9):
        what = f"sent {len(targets)} requests in pieces of {size} bytes, each after the one before was read"
        server.did(what, again=True)
        client = server.client()
        for at in range(0, len(stream), size):
            client.send(stream[at : at + size])
            server.settle(partial(server.has_read, client))
        for target in targets:
            asked(server, client, target, questions.PIECES)
        server.leave()
    if "long_head" not in server.verdicts.lost:
        half_a_head_behind(server)


def half_a_head_behind(server: Server, count: int = 100) -> None:
    """There is never a moment at which all that has come is answered: a place in a buffer goes on and on."""
    head = padded("/page1.txt", contract.HEAD - 91)  # of these no number fills a buffer
    cut = len(head) // 3
    server.did(f"sent {count} requests of {len(head):,} bytes on one connection, each with a part of the next behind")
    client = server.client()
    client.send(head[:cut])
    for number in range(1, count + 1):
        client.send(head[cut:] + head[: cut if number < count else 0])
        server.serves(client, "/page1.txt", look_at=questions.ALWAYS_A_PART)
    server.leave()


def first_of_two(server: Server) -> None:
    head = request("/page2.txt")
    for target in ("/page1.txt", "/nope.txt", "/large.bin"):
        server.did(f"sent one request, for {target}, and half of the next in one piece", again=True)
        client = server.client()
        client.send(request(target) + head[:20])
        asked(server, client, target, questions.FIRST_OF_TWO)
        server.settle(partial(server.has_read, client))
        server.come_to_rest(turns=2)
        if len(client.replies) != 1 or client.reader.pending:
            what = f"{client.name}: {len(client.replies)} answers came whole, {client.received} bytes in all"
            look_at = "by what does the server know that there is a whole request in the buffer?"
            server.fail("one answer: the second request is not complete", what, clients=[client], look_at=look_at)
        server.did("then sent the rest of the second request")
        client.send(head[20:])
        asked(server, client, "/page2.txt", questions.PIECES)
        server.leave()
    server.did("sent a longer request in two pieces, then a short one")
    client, head = server.client(), request("/page4.txt", headers=("X-Padding: " + "x" * 300,))
    client.send(head[:-9])
    server.settle(lambda: server.has_read(client))
    client.send(head[-9:])
    asked(server, client, "/page4.txt", questions.SEARCH)
    still_open(server, client, questions.SEARCH)


def pipelined_and_half_closed(server: Server) -> None:
    server.did("sent four requests at once and shut down the sending side")
    client = server.client()
    targets = ("/page1.txt", "/small.bin", "/nope.txt", "/page2.txt")
    with server.stopped():
        client.send(b"".join(map(request, targets)))
        client.half_close()
    for target in targets:
        asked(server, client, target, questions.HALF_CLOSED)


def pipelined_slowly_read(server: Server) -> None:
    server.did("sent three requests at once, for two large files and a small one, and read nothing")
    server.root.big  # noqa: B018 - writes the file
    client = server.client(window=clients.TINY)
    client.stop_reading()
    targets = ("/large.bin", "/big.bin", "/page1.txt")
    client.send(b"".join(map(request, targets)))
    server.settle(lambda: (row := server.row(client)) is None or row.unsent > 0)
    server.come_to_rest()
    server.did("then another client asked for a small one")
    server.serves(server.ask("/page2.txt"), "/page2.txt", look_at=questions.WINDOW)
    server.did("then the first one read all")
    client.open_window()
    for target in targets:
        asked(server, client, target, questions.QUEUE)


def pipelined_until_full(server: Server) -> None:
    """Answers that are each sent in one go, as long as there is room: some day there is not."""
    target = server.root.sized(15_000)
    count = beyond_buffers() // 15_000 + 100
    server.did(f"sent {count} requests for a file of 15,000 bytes at once, and read nothing until the server rested")
    client = server.client(window=clients.TINY)
    client.stop_reading()
    client.send(request(target) * count)
    server.settle(lambda: (row := server.row(client)) is None or row.unsent > 0)
    server.come_to_rest()
    row = server.row(client)
    client.open_window()
    for _ in range(min(count, contract.MANY)):
        server.serves(client, target, look_at=questions.QUEUE)
    server.until(lambda: client.over() or client.malformed or len(client.replies) >= count)  # what comes, is right
    room = row.unsent // client.replies[0].size if row and client.replies else 0
    server.leave()
    if 4 < room < count:
        full_with_others(server, target, room)


def full_with_others(server: Server, target: str, room: int) -> None:
    """Where there is no room, the answer is one of another kind. room: how many of this file the kernel takes."""
    page = request(target)
    last = {
        "`Connection: close`": request(target, headers=("Connection: close",)),
        "HTTP/1.0": request(target, version="1.0"),
    }
    streams = {f"the last with {what}": [page * (room + by) + end for by in range(-1, 3)] for what, end in last.items()}
    streams["the last 1,200 for what is not there"] = [page * (room - 2) + request("/nope.txt") * 1200]
    for what, sent in streams.items():
        crowd_of = plural(len(sent), "client")
        told = f"{crowd_of} sent so many that there is room for no more answers, {what}; then another came"
        server.did(told, again=True)
        crowd = [server.client(window=clients.TINY) for _ in sent]
        for client, stream in zip(crowd, sent, strict=True):
            client.stop_reading()
            client.send(stream)
        server.settle(lambda crowd=crowd: all(map(server.has_read, crowd)))  # type: ignore[misc]
        server.come_to_rest()
        server.serves(server.ask("/page2.txt"), "/page2.txt", look_at=questions.WINDOW)
        server.leave()


def idle_crowd(server: Server, count: int) -> None:
    server.did(f"{count} clients were served and stayed connected")
    crowd = []
    for number in range(count):
        crowd.append(server.ask(f"/page{number % 12}.txt"))
        if number % 50 == 49:
            server.settle(lambda: all(client.replies for client in crowd[-50:]))
    for number, client in enumerate(crowd):
        server.serves(client, f"/page{number % 12}.txt", look_at=questions.ALONE)
    server.did("then a new one came, and then old ones asked again: the last, the first, one of the middle")
    server.serves(server.ask("/small.bin"), "/small.bin", look_at=questions.ALONE)
    for client in (crowd[-1], crowd[0], crowd[count // 2]):
        if closed_too_soon(client):
            saw = evidence.state_of(client, server.launch)
            server.fail(f"the connection of {client.name} open", saw, clients=[client], costs="idle_crowd")
        if server.check(client) and not may_have_been_closed(client):
            still_open(server, client)


def closed_too_soon(client: Client) -> bool:
    early = len(client.replies) <= client.asked and client.idle_time() < contract.idle_limit(client.replies[-1])
    return client.ended == "end of stream" and early


def may_have_been_closed(client: Client) -> bool:
    """Whether the server has stated an idle time-out, and it has passed; or has ended the connection, or told so, by a
    408: whether it might is what the rules say."""
    stated = stated_timeout(client)
    told = bool(client.ended) or len(client.replies) > client.asked
    return told or (stated is not None and client.idle_time() >= stated)


def stated_timeout(client: Client) -> float | None:
    """The limit of an idle connection that the last answer states, in seconds."""
    return contract.stated_timeout(client.replies[-1]) if client.replies else None


def library(server: Server) -> None:
    (library_reuses if server.long else framing.library)(server)


def library_reuses(server: Server) -> None:
    server.serves(server.ask("/page1.txt"), "/page1.txt")
    server.leave()
    server.did("asked 20 times with one `requests.Session`, and counted the connections it made")
    host, port = server.address
    server.root.add("/packed.txt", b"as it is\n")
    server.root.add("/packed.txt.gz", b"as nobody has asked for it\n")
    targets = ("/page1.txt", "/nope.txt", "/empty.txt", "/large.bin", "/packed.txt")
    with Session() as session:
        for number in range(20):
            target = targets[number % 5]
            try:
                status, body = get(session, f"http://{host}:{port}{target}", server.patience, server.limit)
            except requests.RequestException as error:
                if costs := judge.control(server, request(target)):  # then how many connections it needs tells nothing
                    server.fail(f"an answer to GET {target}", f"{type(error).__name__}: {error}", costs=costs)
                    return
                server.fail(f"an answer to GET {target}", f"{type(error).__name__}: {error}", look_at=questions.REUSED)
            wanted = server.root.files.get(target)
            right = (status, body) == ((200, wanted) if wanted is not None else (404, body))
            if not right and not judge.control(server, request(target)):  # it is not wrong for others too
                saw = f"{status}, {len(body)} bytes"
                server.fail(f"the answer for {target}", saw, look_at=questions.LENGTH)
        if session.made != 1:
            saw = f"{session.made} connections"
            server.fail("one connection for all 20 requests", saw, look_at=questions.LENGTH)
