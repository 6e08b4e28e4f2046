"""The library client, `requests`: without the limits that Python has and HTTP has not, and with a bound on all.

Python's http.client reads 100 header lines and passes over 100 alone of the interim answers; and whatever a body
is made of, compressed or endless, `requests` would take it whole, however long it takes.
"""

import http.client
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

import requests
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import HTTPError

from grader import waiting
from grader.contract import CODINGS, unpacked  # those that `requests` asks for
from grader.reply import MAX_HEAD, MOST_INTERIM

MOST_BODY = 16 << 20  # bytes, as they come and decompressed
PIECE = 1 << 16  # bytes

# What the limits are in has names of its own, which the types of http.client do not know.
read_status: Callable[[http.client.HTTPResponse], tuple[str, int, str]]
read_status = http.client.HTTPResponse._read_status  # type: ignore[attr-defined]


def read_headers(fp: BinaryIO, *_: object) -> list[bytes]:
    """The lines of a head, the blank one too, however many and long they are."""
    lines: list[bytes] = []
    size = 0
    while not lines or lines[-1] not in (b"\r\n", b"\n", b""):
        lines.append(fp.readline(MAX_HEAD))
        size += len(lines[-1])
        if size >= MAX_HEAD:
            raise http.client.HTTPException(f"a head of more than {MAX_HEAD} bytes")
    return lines


def read_final_status(response: http.client.HTTPResponse) -> tuple[str, int, str]:
    """The status of the answer itself, behind those that only announce it (RFC 9110, section 15.2)."""
    for _ in range(MOST_INTERIM):
        version, status, reason = read_status(response)
        if status < 100 or status == 101 or status >= 200:
            return version, status, reason
        read_headers(response.fp)
    raise http.client.HTTPException(f"more than {MOST_INTERIM} interim answers")


http.client._read_headers = read_headers  # type: ignore[attr-defined]
http.client.HTTPResponse._read_status = read_final_status  # type: ignore[attr-defined]


class Response(http.client.HTTPResponse):
    def _safe_read(self, amt: int) -> bytes:
        """For urllib3 a chunk may have a size below 0, and -1 is all that there is."""
        if amt < 0:
            raise http.client.HTTPException(f"a chunk of {amt} bytes")
        return super()._safe_read(amt)  # type: ignore[misc,no-any-return]


class Session(requests.Session):
    """A session that takes nothing from the environment: no proxy, no .netrc. `made`: its connections so far.

    They are counted here, where each is made: of the server's side an address may be seen that was somebody's before.
    `sockets`: theirs, to be shut when an answer has no end.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.made = 0
        self.sockets: list[socket.socket] = []
        session = self

        class Connection(HTTPConnection):
            response_class = Response

            def connect(self) -> None:
                session.made += 1
                super().connect()
                session.sockets.append(self.sock)

        class Pool(HTTPConnectionPool):
            ConnectionCls = Connection

        adapter = requests.adapters.HTTPAdapter()
        adapter.poolmanager.pool_classes_by_scheme = {"http": Pool}
        self.mount("http://", adapter)

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Nobody is asked elsewhere; to know where that is, `requests` would take the whole body first."""


@contextmanager
def ended_after(session: Session, seconds: float) -> Iterator[threading.Event]:
    """Shut every connection once so much time has passed; the event says whether it has."""
    late = threading.Event()

    def shut() -> None:
        late.set()
        for sock in session.sockets:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    timer = threading.Timer(seconds, shut)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()
        timer.join()


def get(session: Session, url: str, timeout: float, limit: float = waiting.LIMIT) -> tuple[int, bytes]:
    """Status and body of the answer to a GET. timeout: seconds in which nothing comes; limit: for all of it.

    Raises requests.RequestException.
    """
    with ended_after(session, limit) as late:
        try:
            answer = session.get(url, timeout=timeout, allow_redirects=False, stream=True)
            with answer:
                pieces = answer.raw.stream(PIECE, decode_content=False)
                coding = answer.headers.get("Content-Encoding", "").strip().lower()
                found = answer.status_code, body_of(pieces, coding)
        except (requests.RequestException, HTTPError, http.client.HTTPException, OSError, ValueError) as error:
            if not late.is_set() and isinstance(error, requests.RequestException):
                raise
            if not late.is_set():
                raise requests.RequestException(f"{type(error).__name__}: {error}") from None
        if late.is_set():  # what was cut off may look like an end
            raise requests.Timeout(f"no end of the answer in {limit:.0f} s")
        return found


def body_of(pieces: Iterable[bytes], coding: str) -> bytes:
    """A body from its pieces, decompressed if it is coded in a way that was asked for."""
    taken = bytearray()
    for piece in pieces:
        taken += piece
        if len(taken) > MOST_BODY:
            raise requests.RequestException(f"a body of more than {MOST_BODY} bytes")
    body, amiss = unpacked(bytes(taken), coding, MOST_BODY + 1) if coding in CODINGS else (taken, "")
    if len(body) > MOST_BODY:
        raise requests.RequestException(f"a body of more than {MOST_BODY} bytes")
    if amiss:
        raise requests.RequestException(f"the body is not {coding}: {amiss}")
    return bytes(body)
