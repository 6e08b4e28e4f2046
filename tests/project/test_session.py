"""The library client takes what HTTP allows, and no more than it can hold, in bounded memory and time."""

import gzip
import http.server
import sys
import threading
import time
import tracemalloc
import zlib

import pytest
import requests
from tools import REPOSITORY

sys.path.insert(0, str(REPOSITORY))

from tests.checks.session import MOST_BODY, Session, get

OK = b"HTTP/1.1 200 OK\r\n"
BODY = b"Content-Length: 2\r\n\r\nok"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
GOOD = {
    "as it comes": OK + BODY,
    "many lines": OK + b"X: y\r\n" * 5000 + BODY,
    "a long line": OK + b"X: " + b"y" * 100_000 + b"\r\n" + BODY,
    "interim answers": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" + OK + BODY,
    "chunks": CHUNKED + b"1\r\no\r\n1;ext\r\nk\r\n0\r\nTrailer: x\r\n\r\n",
    "gzip": OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"ok"),
    "deflate": OK + b"Content-Encoding: Deflate\r\n\r\n" + zlib.compress(b"ok"),
}
PACKED = gzip.compress(bytes(10 * MOST_BODY))
HOSTILE = {
    "an endless head": (OK, b"X: " + b"y" * 65536 + b"\r\n", "a head of more than"),
    "a head of short lines": (OK, b"a:\r\n" * 9999, "a head of more than"),
    "an endless line": (OK + b"X: ", b"y" * 65536, "a head of more than"),
    "an endless status line": (b"HTTP/1.1 200 ", b"y" * 65536, "got more than 65536 bytes|a head of more than"),
    "endless interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100, "interim answers"),
    "an endless body": (OK + b"\r\n", b"z" * 65536, "a body of more than"),
    "a huge length": (OK + b"Content-Length: " + b"9" * 15 + b"\r\n\r\n", b"z" * 65536, "a body of more than"),
    "a length of many digits": (OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", b"z" * 65536, "a body of more"),
    "a body that grows": (OK + b"Content-Encoding: gzip\r\n\r\n" + PACKED, b"", "a body of more than"),
    "endless gzip that says nothing": (
        OK + b"Content-Encoding: gzip\r\n\r\n",
        gzip.compress(b"") * 3000,
        "a body of more",
    ),
    "no gzip": (OK + b"Content-Encoding: gzip\r\n\r\nplain", b"", "the body is not gzip"),
    "an endless chunk line": (CHUNKED + b"1;", b"x" * 65536, "maximum allowed length"),
    "endless chunks": (CHUNKED, b"4000\r\n" + b"x" * 0x4000 + b"\r\n", "a body of more than"),
    "a huge chunk": (CHUNKED + b"F" * 15 + b"\r\n", b"x" * 65536, "a body of more than"),
    "a negative chunk": (CHUNKED + b"-5\r\n", b"x" * 65536, "a chunk of -5 bytes"),
    "a chunk of all there is": (CHUNKED + b"-1\r\n", b"x" * 65536, "a chunk of -1 bytes"),
    "a chunk that is no number": (CHUNKED + b"_\r\n", b"x" * 65536, "InvalidChunkLength|ChunkedEncodingError"),
    "an endless trailer line": (CHUNKED + b"0\r\nX: ", b"x" * 65536, "maximum allowed length"),
    "no HTTP": (b"\0" * 99, b"", "BadStatusLine"),
}
DRIPS = {
    "a head": OK,
    "a line of it": OK + b"X: ",
    "a body": OK + b"\r\n",
    "interim answers": b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + b"HTTP/1.1 100",
    "trailers": CHUNKED + b"0\r\n",
}


@pytest.fixture
def served():
    """(what is sent, what is sent then for ever, each time after so many seconds) -> an address of such answers."""
    servers, over = [], threading.Event()

    def start(first, then=b"", pause=0.0):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                try:
                    self.wfile.write(first)
                    while then and not over.wait(pause) if pause else then:
                        self.wfile.write(then)
                except OSError:  # the client has had enough
                    pass

            def log_message(self, *_):
                pass

        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, kwargs={"poll_interval": 0.01}).start()
        return f"http://127.0.0.1:{servers[-1].server_address[1]}/"

    yield start
    over.set()
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("what", GOOD)
def test_what_http_allows(served, what):
    """No limit of Python's is in the way of an answer that HTTP allows."""
    with Session() as session:
        assert get(session, served(GOOD[what]), 60) == (200, b"ok")


@pytest.mark.parametrize("what", HOSTILE)
def test_what_nobody_can_hold(served, what):
    """What has no end, or is more than it seems, is given up and said, in memory that is bounded too."""
    first, then, words = HOSTILE[what]
    address = served(first, then)
    tracemalloc.start()
    try:
        with Session() as session, pytest.raises(requests.RequestException, match=words):
            get(session, address, 60)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * MOST_BODY


@pytest.mark.parametrize("what", DRIPS)
def test_what_never_ends(served, what):
    """Who sends a little all the time, in any part of an answer, is given up after the time that all of it may take."""
    began = time.monotonic()
    with Session() as session, pytest.raises(requests.Timeout, match=r"no end of the answer in 1 s"):
        get(session, served(DRIPS[what], b"x", 0.01), 60, limit=1.0)
    assert time.monotonic() - began < 50  # and not after the sixty of a server that says nothing


def test_a_redirect_is_not_followed(served):
    """What leads elsewhere is an answer like others: nobody is asked there."""
    with Session() as session:
        elsewhere = served(OK + BODY)
        moved = b"HTTP/1.1 302 Found\r\nLocation: %s\r\n" % elsewhere.encode() + BODY
        assert get(session, served(moved), 60) == (302, b"ok")
        assert session.made == 1


def test_a_second_answer_is_not_taken(served):
    """What is smuggled behind an answer is no answer to the next request."""
    with Session() as session:
        address = served(OK + BODY + OK + b"Content-Length: 3\r\n\r\nbad")
        assert get(session, address, 60) == (200, b"ok")
        assert get(session, address, 60) == (200, b"ok")


def test_connections_are_counted(served):
    """For each request a new one, if the server says that it closes."""
    address = served(OK + b"Connection: close\r\n" + BODY)
    with Session() as session:
        for number in range(3):
            assert get(session, address, 10) == (200, b"ok")
            assert session.made == number + 1
