"""The grader's own house: whatever a server does, the grader is hurt by nothing of it, and ends with its own word."""

import re
import socket
import threading
import time
import tracemalloc

import pytest
from tools import PATIENT

from grader.client import UNASKED, Client, request
from grader.reply import MAX_HEAD, MOST_INTERIM, MOST_KEPT, Kept, ReplyReader

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
#: What is sent first, what is sent then without end, and what is said of it.
HOSTILE = {
    "an endless head": (OK, b"X: " + b"y" * 60000 + b"\r\n", f"no blank line .* in the first {MAX_HEAD} bytes"),
    "a head of short lines": (OK, b"a:\r\n" * 9999, "no blank line"),
    "an endless line": (OK + b"X: ", b"y" * 65536, "no blank line"),
    "an endless body": (OK + b"\r\n", b"z" * 65536, "the answers go on past"),
    "a huge length": (OK + b"Content-Length: %s\r\n\r\n" % (b"9" * 15), b"z" * 65536, "the answers go on past"),
    "a length of many digits": (OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", b"z", "5000 digits"),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 999, f"more than {MOST_INTERIM} interim"),
    "answers": (b"", OK + b"Content-Length: 0\r\n\r\n", f"{UNASKED} answers came that nobody had asked for"),
    "small answers": (b"", (OK + b"Content-Length: 0\r\n\r\n") * 999, f"{UNASKED} answers came that nobody had"),
    "a head of 30,000 lines": (OK + b"a:\r\n" * 30000 + b"\r\n", b"z", "more than 8192 lines"),
    "answers with large heads": (b"", OK + b"a:\r\n" * 2000 + b"Content-Length: 0\r\n\r\n", f"{UNASKED} answers came"),
    "an endless chunk line": (CHUNKED + b"1;", b"x" * 65536, "not HTTP"),
    "a huge chunk": (CHUNKED + b"F" * 15 + b"\r\n", b"x" * 65536, "the answers go on past"),
    "a chunk of many digits": (CHUNKED + b"F" * 5000 + b"\r\n", b"x" * 65536, "not HTTP"),
    "endless trailers": (CHUNKED + b"0\r\n", b"X: y\r\n" * 9999, "not HTTP"),
    "no HTTP": (b"", bytes(65536), "the answer begins with"),
}


@pytest.fixture
def hostile():
    """(what is sent first, what then without end) -> a client of whoever sends that, connected."""
    used = []

    def meet(first, then, kept=None):
        listener = socket.create_server(("127.0.0.1", 0))
        client = Client("client #1", listener.getsockname(), set(), kept=kept)
        theirs, _ = listener.accept()
        listener.close()
        used.extend([client, theirs])

        def send():
            try:
                theirs.sendall(first)
                while then:
                    theirs.sendall(then)
            except OSError:  # the client has had enough
                pass

        thread = threading.Thread(target=send, daemon=True)
        thread.start()
        return client

    yield meet
    for each in used:
        each.close()


def pumped(client, until):
    """Pump until this holds; how often it took."""
    end, turns = time.monotonic() + PATIENT, 0
    while not until():
        assert time.monotonic() < end, "it never came"
        client.pump()
        turns += 1
    return turns


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_http(hostile, what):
    """What has no end is given up and said, whatever part of an answer it is, in bounded memory."""
    first, then, words = HOSTILE[what]
    client = hostile(first, then)
    client.send(request("/"))
    tracemalloc.start()
    try:
        pumped(client, lambda: client.malformed)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert re.search(words, client.malformed), client.malformed
    assert peak < 3 * MOST_KEPT, peak


def test_what_is_kept():
    """A file of the site is kept once for all clients; what else comes is counted until it is let go, if it ever is."""
    site = {"/a": bytes(100_000)}
    kept = Kept(site)
    readers = [ReplyReader(kept) for _ in range(3)]
    for reader, body in zip(readers, (site["/a"], b"x" * 100_000, b"y" * 99_999), strict=True):
        reader.feed(OK + b"Content-Length: 100000\r\n\r\n" + body)
    assert readers[0].replies[0].body is site["/a"]
    assert readers[1].replies[0].body == b"x" * 100_000 and not readers[2].replies
    assert [reader.weight for reader in readers] == [0, 100_000, 99_999] and kept.used == 199_999
    for reader in readers:
        reader.let_go()
    assert kept.used == 100_000


def test_crowd(hostile):
    """Many clients of endless answers keep no more together than one may."""
    kept = Kept()
    crowd = [hostile(OK + b"\r\n", b"z" * 65536, kept) for _ in range(8)]
    for client in crowd:
        client.send(request("/"))
    while not any(client.malformed for client in crowd):
        for client in crowd:
            client.pump()
        assert kept.used < kept.most + len(crowd) * (2 << 20)
