"""Sections 2 and 3 of the contract: where requests and answers begin and end."""

import requests

from grader.client import Client, request
from grader.reply import difference, excerpt
from grader.subject import Server
from tests.checks import questions
from tests.checks.session import get, new_session


def early(server: Server, client: Client) -> None:
    """Nothing may be answered before the head is complete."""
    server.come_to_rest(turns=2)
    if client.received or client.ended:
        line = excerpt(client.first_bytes.split(b"\r\n")[0], 60)
        what = f"was answered all the same: {line}" if line else "was not answered, and its connection ended"
        saw = f"{client.name}, with its head still incomplete, {what}"
        server.fail("no answer yet: the head is not complete", saw, clients=[client], look_at=questions.EARLY)


def in_pieces(server: Server) -> None:
    server.did("sent a request in two pieces")
    head = request("/page1.txt")
    for cut in (
        1,
        3,
        4,
        12,
        head.index(b"\r\n") + 1,
        head.index(b"\r\n") + 2,
        len(head) - 3,
        len(head) - 2,
        len(head) - 1,
    ):
        first, second = excerpt(head[:cut][-12:]), excerpt(head[cut:][:12])
        server.did(f"sent a request in two pieces, cut between `{first}` and `{second}`", again=True)
        client = server.client()
        client.send(head[:cut])
        server.settle(lambda client=client: server.has_read(client))
        early(server, client)
        client.send(head[cut:])
        server.serves(client, "/page1.txt", look_at=questions.ASSEMBLE)
        server.leave()
    server.did("sent a header value with a byte that is no ASCII", again=True)
    client = server.ask("/page2.txt", headers=("User-Agent: caf\xe9\x85",))
    server.serves(client, "/page2.txt", look_at="which bytes may a head hold, and what do you decode?")


def byte_by_byte(server: Server) -> None:
    server.did("sent a request one byte at a time, each after the one before was read")
    head = request("/page2.txt")
    client = server.client()
    for at in range(len(head) - 1):
        client.send(head[at : at + 1])
        if not server.settle(lambda: server.has_read(client)):
            break
    early(server, client)
    client.send(head[at + 1 :])
    server.serves(client, "/page2.txt", look_at=questions.ASSEMBLE)


def padded(target: str, size: int) -> bytes:
    """A request head of exactly so many bytes."""
    plain = request(target, headers=("X-Padding: ",))
    return request(target, headers=("X-Padding: " + "x" * (size - len(plain)),))


def long_head(server: Server) -> None:
    server.did("sent long request heads")
    for size, target in (
        (2000, "/page3.txt"),
        (5000, "/large.bin"),
        (8192, "/page4.txt"),
        (8192, "/large.bin"),
    ):
        server.did(f"sent a head of {size} bytes in one piece", again=True)
        client = server.client()
        client.send(padded(target, size))
        server.serves(client, target, look_at=questions.LONG_HEAD)
        server.leave()
    head = padded("/page5.txt", 8192)
    for cut in (4096, 4097, 8190):
        server.did(f"sent a head of {len(head)} bytes: {cut}, and when these were read the others", again=True)
        client = server.client()
        client.send(head[:cut])
        server.settle(lambda client=client: server.has_read(client))
        client.send(head[cut:])
        server.serves(client, "/page5.txt", look_at=questions.LONG_HEAD)
        server.leave()


def endless_head(server: Server, *, alone: bool = False) -> None:
    """alone: the step serves one client at a time, so nobody else is tried meanwhile."""
    server.did("sent a head without end")
    for line, tail in ((b"GET /", b""), (b"GET /page1.txt HTTP/1.1\r\n", b"\r\n")):
        what = "header lines, and no blank one" if tail else "one line, and no end of it"
        server.did(f"sent 256 KiB: {what}", again=True)
        goes_on(server, line, tail, alone)
        server.leave()


def goes_on(server: Server, begin: bytes, tail: bytes, alone: bool) -> None:
    client = server.client()
    client.send(begin)
    for number in range(16):
        if client.ended:
            break
        client.send(b"X-Long: ".ljust(1 << 14, b"x") + tail)
        server.settle(lambda: client.ended or server.has_read(client))
        if number == 2 and not alone:
            server.serves(server.ask("/page2.txt"), "/page2.txt", look_at=questions.WAITS)
    server.must(
        lambda: client.ended,
        "the end of the connection: a head may not go on for ever",
        clients=[client],
        look_at="how much are you ready to keep for somebody who never ends his request?",
    )


def strict(server: Server) -> None:
    server.did("read answers with a strict parser to their last byte: 200, an empty file, 404, another method")
    for target, method, status, version in (
        ("/small.bin", "GET", (200,), "1.1"),
        ("/empty.txt", "GET", (200,), "1.1"),
        ("/nope.txt", "GET", (404,), "1.1"),
        ("/small.bin", "DELETE", (405, 501), "1.1"),
        ("/small.bin", "GET", (200,), "1.0"),
    ):
        client = server.ask(target, method=method, version=version)
        server.answers(client, status, f"{method} {target} HTTP/{version}", questions.STRICT[method, version])
        if not server.long:
            expected = f"the end of the stream after the answer to {method} {target}"
            server.must(lambda client=client: client.ended, expected, clients=[client])
        else:
            server.settle(lambda client=client: server.has_read(client))
            server.come_to_rest(turns=2)
        if client.malformed or len(client.replies) != 1:
            seen = client.malformed or f"{len(client.replies)} answers"
            expected = f"one answer to {method} {target} that parses as HTTP, and nothing after it"
            look_at = {"answers": "how often is one request answered, and on which paths?"}
            server.fail(expected, seen, clients=[client], look_at=look_at)
        server.leave()


def library(server: Server) -> None:
    """A library client meets the server: what curl, a browser or requests would see."""
    server.serves(server.ask("/page1.txt"), "/page1.txt")
    server.leave()
    server.did("asked with the library `requests`: its Host has a port, and it sends Accept-Encoding: gzip")
    host, port = server.address
    for target in ("/page1.txt", "/sub/", "/empty.txt", "/large.bin", "/nope.txt"):
        wanted = server.root.files.get(target)
        with new_session() as session:
            try:
                status, body = get(session, f"http://{host}:{port}{target}", server.patience)
            except requests.RequestException as error:
                server.fail(f"an answer to GET {target}", f"{type(error).__name__}: {error}", look_at=questions.HEADERS)
            if wanted is None and status != 404:
                server.fail(f"404 for {target}", f"{status}", look_at=questions.HEADERS)
            if wanted is not None and (status, body) != (200, wanted):
                differs = difference(body, wanted) if status == 200 else ""
                saw = f"it was answered {status}{'; ' if differs else ''}{differs}"
                server.fail(f"200 with the {len(wanted)} bytes of {target}", saw, look_at=questions.HEADERS)


def end_of_stream(server: Server, look_at: str = "who still holds the socket of this client?") -> None:
    server.did("one client at a time asked, and waited for the server to close")
    for target, status, headers in (
        ("/page6.txt", (200,), ()),
        ("/nope.txt", (404,), ()),
        ("/empty.txt", (200,), ()),
        ("/page6.txt", (200,), ("Connection: keep-alive",)),
    ):
        more = f" with `{headers[0]}`" if headers else ""
        server.did(f"one client asked for {target}{more} and waited for the server to close", again=True)
        client = server.ask(target, headers=headers)
        server.answers(client, status, f"GET {target}")
        server.must(
            lambda client=client: client.ended,
            "the end of the stream after the answer, without the client closing first",
            clients=[client],
            look_at=look_at,
        )
        if client.ended != "end of stream":
            server.fail("the end of the stream after the answer", "a reset", clients=[client])
        server.leave()
