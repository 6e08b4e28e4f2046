"""The library client takes what HTTP allows, and no more than it can hold."""

import gzip
import http.server
import sys
import threading

import pytest
import requests
from tools import REPOSITORY

sys.path.insert(0, str(REPOSITORY))

from tests.checks.session import MOST_BODY, Session, get

OK = b"HTTP/1.1 200 OK\r\n"
BODY = b"Content-Length: 2\r\n\r\nok"
GOOD = {
    "as it comes": OK + BODY,
    "many lines": OK + b"X: y\r\n" * 5000 + BODY,
    "a long line": OK + b"X: " + b"y" * 200_000 + b"\r\n" + BODY,
    "interim answers": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" + OK + BODY,
}
BAD = {
    "an endless head": (OK, b"X: " + b"y" * 65536 + b"\r\n", "a head of more than"),
    "an endless line": (OK + b"X: ", b"y" * 65536, "a head of more than"),
    "endless interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100, "interim answers"),
    "an endless body": (OK + b"\r\n", b"z" * 65536, "a body of more than"),
    "a body that grows": (
        OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(10 * MOST_BODY)),
        b"",
        "a body of more than",
    ),
}


@pytest.fixture
def served():
    """(what is sent, what is sent then for ever) -> an address at which every request is answered so."""
    servers = []

    def start(first, then=b""):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                try:
                    self.wfile.write(first)
                    while then:
                        self.wfile.write(then)
                except OSError:  # the client has had enough
                    pass

            def log_message(self, *_):
                pass

        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, kwargs={"poll_interval": 0.01}).start()
        return f"http://127.0.0.1:{servers[-1].server_address[1]}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("what", GOOD)
def test_what_http_allows(served, what):
    """No limit of Python's is in the way of an answer that HTTP allows."""
    with Session() as session:
        assert get(session, served(GOOD[what]), 60) == (200, b"ok")


@pytest.mark.parametrize("what", BAD)
def test_what_nobody_can_hold(served, what):
    """What has no end, or is more than it seems, is given up and said."""
    first, then, words = BAD[what]
    with Session() as session, pytest.raises(requests.RequestException, match=words):
        get(session, served(first, then), 60)


def test_connections_are_counted(served):
    """For each request a new one, if the server says that it closes."""
    address = served(OK + b"Connection: close\r\n" + BODY)
    with Session() as session:
        for number in range(3):
            assert get(session, address, 10) == (200, b"ok")
            assert session.made == number + 1
