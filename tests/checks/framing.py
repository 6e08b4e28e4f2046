"""Sections 2 and 3 of the contract: where requests and answers begin and end."""

from functools import partial

import requests

from grader import contract, judge
from grader.client import Client, request
from grader.reply import difference, excerpt
from grader.subject import Server
from tests.checks import questions, ways
from tests.checks.session import Session, get


def early(server: Server, client: Client) -> None:
    """Nothing may be answered before the head is complete."""
    server.come_to_rest(turns=2)
    if client.replies or client.malformed or client.reader.pending or client.ended:  # not what only announces one
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
        head.index(b"HTTP/") + 2,
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
        server.settle(partial(server.has_read, client))
        early(server, client)
        client.send(head[cut:])
        server.serves(client, "/page1.txt", look_at=questions.ASSEMBLE)
        server.leave()
    by_ten = request("/page1.txt", version="1.0")
    for head in (by_ten, request("/nope.txt"), request("/../secret.txt"), request("/page1.txt", method="DELETE")):
        server.did(f"sent a request in two pieces, `{excerpt(head[:-9])}` and the rest", again=True)
        client = server.client()
        client.send(head[:-9])
        server.settle(partial(server.has_read, client))
        early(server, client)
        client.send(head[-9:])
        server.reply(client, look_at=questions.ASSEMBLE)
        server.leave()
    server.did("sent a header value with a byte that is no ASCII", again=True)
    client = server.ask("/page2.txt", headers=("User-Agent: caf\xe9\x85",))
    server.serves(client, "/page2.txt", look_at="which bytes may a head hold, and what do you decode?")


def byte_by_byte(server: Server) -> None:
    server.did("sent a request one byte at a time, each after the one before was read")
    head = request("/page2.txt", headers=("X-Padding: " + "x" * 1100,))
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


def many_lines(count: int) -> bytes:
    """A head of so many header lines, Host among them, and of less than 8,192 bytes."""
    return request("/page1.txt", headers=tuple(f"a{number % 10}:{number % 10}" for number in range(count - 1)))


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
    for what, head in (
        *((f"a target of {size:,} bytes", request("/page1.txt?" + "x" * (size - 11))) for size in (3000, 8000)),
        *((f"{count} header lines", many_lines(count)) for count in (90, 130, 1000)),
        ("a header name of 4,000 bytes", request("/page1.txt", headers=(f"X-{'n' * 4000}: yes",))),
    ):
        is_answered(server, what, head)
    head = padded("/page5.txt", 8192)
    for cut in (4096, 4097, 8190) if "pieces" not in server.verdicts.lost else ():
        server.did(f"sent a head of {len(head)} bytes: {cut}, and when these were read the others", again=True)
        client = server.client()
        client.send(head[:cut])
        server.settle(partial(server.has_read, client))
        client.send(head[cut:])
        server.serves(client, "/page5.txt", look_at=questions.LONG_HEAD)
        server.leave()
    size = contract.HEAD - len(request(""))
    is_answered(server, f"a target of {size:,} bytes", request("/page1.txt?" + "x" * (size - 11)))


def is_answered(server: Server, what: str, head: bytes) -> None:
    server.did(f"sent a head with {what}", again=True)
    client = server.client()
    client.send(head)
    server.reply(client, f"an answer to a head with {what}", questions.LONG_HEAD)
    server.check(client)
    server.leave()


def endless_head(server: Server, *, alone: bool = False) -> None:
    """alone: the step serves one client at a time, so nobody else is tried meanwhile."""
    server.did("sent a head without end")
    line = b"X-Long: ".ljust(1 << 14, b"x")
    for begin, piece, what in (
        (b"GET /", line, "one line, and no end of it"),
        (b"GET /page1.txt HTTP/1.1\r\n", line + b"\r\n", "header lines, and no blank one"),
        (b"POST /page1.txt HTTP/1.1\r\n", line + b"\r\n", "header lines of a POST, and no blank one"),
        (b"", b"x" * len(line), "letters, and no blank or end of line"),
        (b"", b"\n" * len(line), "line feeds alone"),
        (b"", b"\0" * len(line), "NUL bytes alone"),
    ):
        server.did(f"sent 256 KiB: {what}", again=True)
        goes_on(server, begin, piece, alone)
        server.leave()


def goes_on(server: Server, begin: bytes, piece: bytes, alone: bool) -> None:
    client = server.client()
    if server.long:  # a later one than the first
        client.send(request("/page1.txt"))
        server.serves(client, "/page1.txt")
    client.send(begin)
    for number in range(16):
        if client.ended:
            break
        client.send(piece)
        server.settle(lambda: client.ended or server.has_read(client))
        if number == 2 and not alone:
            server.serves(server.ask("/page2.txt"), "/page2.txt", look_at=questions.WAITS)
    server.must(
        lambda: client.ended,
        "the end of the connection: a head may not go on for ever",
        clients=[client],
        look_at="how much are you ready to keep for somebody who never ends his request?",
    )


#: What is asked for, with what method, and in which version: all that comes is read to its last byte.
STRICT = (
    ("/small.bin", "GET", "1.1"),
    ("/empty.txt", "GET", "1.1"),
    ("/nope.txt", "GET", "1.1"),
    ("/small.bin", "DELETE", "1.1"),
    ("/small.bin", "GET", "1.0"),
    ("/nope.txt", "GET", "1.0"),
    ("/huge.bin", "GET", "1.0"),
    ("/sub", "GET", "1.1"),
    ("/large.bin", "GET", "1.1"),
    ("/no/%C3%B1and%C3%BA/%E4%B8%AD%E6%96%87", "GET", "1.1"),
    ("/nope%0D%0AX-Planted:%20yes", "GET", "1.1"),
    ("/page1.txt%0aX-Planted:%20yes", "GET", "1.1"),
    ("/page1.txt?%0D%0AX-Planted:%20yes", "GET", "1.1"),
    ("/sub?%0d%0aX-Planted:%20yes", "GET", "1.1"),
    ("/%3Cb%3E&amp;%22nope%22", "GET", "1.1"),
    ("/page1.txt?q=%C3%B1", "GET", "1.1"),
    ("/%0D%0AX-Planted:%20yes/../sub", "GET", "1.1"),
    ("/sub/..//sub?%0D%0AX-Planted:%20yes", "GET", "1.1"),
    ("/a%0D%0AX-Planted:%20yes", "GET", "1.1"),
    ("/a%0D%0AX-Planted:%20yes/", "GET", "1.1"),
    ("/no/%C3%B1/%E4%B8%AD", "DELETE", "1.1"),
)


def strict(server: Server) -> None:
    """The rules of the contract do the judging."""
    server.root.huge  # noqa: B018 - writes the file
    server.root.add_named("a\r\nX-Planted: yes/index.html", "/a%0D%0AX-Planted:%20yes/")
    for target, method, version in STRICT:
        server.did(f"sent {method} {target} HTTP/{version} and read the answer to its last byte", again=True)
        client = server.ask(target, method=method, version=version)
        server.reply(client, f"an answer to {method} {target} HTTP/{version}", questions.STRICT[method, version])
        server.see_out(client)
        server.leave()
    for head in (
        b"HELLO\r\n\r\n",
        *(padded("/page1.txt", size) for size in (20_000, 60_000, 70_000)),
        request("/page1.txt", headers=("X-Long: " + "x" * 9000,)),
        request("/page1.txt", version="1.0", headers=("Expect: 100-continue",)),
    ):
        server.did(f"sent `{excerpt(head, 40)}` and read all that came", again=True)
        answered(server, head)
    own_validators(server)


def own_validators(server: Server) -> None:
    """What the server has said of a file is sent back to it: a 304 has no body, RFC 9110, 15.4.5."""
    for target in ("/small.bin", "/large.bin"):
        first = server.get(target)
        for name, field in (("etag", "If-None-Match"), ("last-modified", "If-Modified-Since"), ("etag", "If-Range")):
            for value in first.values(name) or (ways.TO_COME,) * (name != "etag"):
                lines = (f"{field}: {value}", *("Range: bytes=0-9",) * (field == "If-Range"))
                server.did(f"asked for {target} with `{'`, `'.join(lines)}`, and read all that came", again=True)
                behind(server, request(target, headers=lines))


def behind(server: Server, head: bytes) -> None:
    """All that comes is read; on a long connection another request is sent behind, and its answer is read too."""
    client = server.client()
    client.send(head)
    server.must(lambda: client.replies or client.ended, "an answer, or the end", clients=[client])
    if server.long and not client.ended:
        client.send(request("/page1.txt"))
        server.until(lambda: len(client.replies) > 1 or client.ended or client.malformed)
    server.see_out(client)
    server.leave()


def answered(server: Server, head: bytes) -> None:
    client = server.client()
    client.send(head)
    server.must(lambda: client.replies or client.ended, "an answer, or the end", clients=[client])
    server.see_out(client)
    server.leave()


def library(server: Server) -> None:
    """A library client meets the server: what curl, a browser or requests would see."""
    server.serves(server.ask("/page1.txt"), "/page1.txt")
    server.leave()
    server.did("asked with the library `requests`: its Host has a port, and it sends Accept-Encoding: gzip")
    host, port = server.address
    server.root.add("/packed.txt", b"as it is\n")
    server.root.add("/packed.txt.gz", b"as nobody has asked for it\n")
    for target in ("/page1.txt", "/sub/", "/empty.txt", "/large.bin", "/nope.txt", "/packed.txt"):
        wanted = server.root.files.get(target)
        with Session() as session:
            try:
                status, body = get(session, f"http://{host}:{port}{target}", server.patience, server.limit)
            except requests.RequestException as error:
                if judge.control(server, request(target)):
                    continue
                server.fail(f"an answer to GET {target}", f"{type(error).__name__}: {error}", look_at=questions.HEADERS)
            right = status == 404 if wanted is None else (status, body) == (200, wanted)
            if right or judge.control(server, request(target)):  # it is wrong for others too
                continue
            if wanted is None:
                server.fail(f"404 for {target}", f"{status}", look_at=questions.HEADERS)
            else:
                differs = difference(body, wanted) if status == 200 else ""
                saw = f"it was answered {status}{'; ' if differs else ''}{differs}"
                server.fail(f"200 with the {len(wanted)} bytes of {target}", saw, look_at=questions.HEADERS)


#: What a client sends -> what it asked for, in words; the server closes after each.
ENDS = {
    request("/page6.txt"): "/page6.txt",
    request("/nope.txt"): "/nope.txt",
    request("/empty.txt"): "/empty.txt",
    request("/page6.txt", headers=("Connection: keep-alive",)): "/page6.txt with `Connection: keep-alive`",
    request("/page6.txt", headers=("Connection: Keep-Alive", "Keep-Alive: 300")): "/page6.txt with `Keep-Alive: 300`",
    request("/page6.txt", version="1.0", headers=("Connection: keep-alive",)): "/page6.txt by HTTP/1.0, keep-alive",
    request("/nope.txt", headers=("Connection: keep-alive",)): "/nope.txt with `Connection: keep-alive`",
    request("/sub"): "a folder without its slash",
    request("/page1.txt", method="DELETE"): "a file by DELETE",
    b"HELLO\r\n\r\n": "`HELLO`, which is no HTTP",
    request("/large.bin"): "/large.bin, of several MiB",
}


def end_of_stream(server: Server, look_at: str = "who still holds the socket of this client?") -> None:
    for sent, asked in ENDS.items():
        server.did(f"one client asked for {asked} and waited for the server to close", again=True)
        client = server.client()
        client.send(sent)
        expected = "the end of the stream after the answer, without the client closing first"
        server.must(client.over, expected, clients=[client], look_at=look_at)
        server.see_out(client)
        server.leave()
