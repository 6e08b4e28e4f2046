"""The library client, `requests`: without the limits that Python has and HTTP has not, and with a bound on all.

Python's http.client reads 100 header lines and passes over 100 alone of the interim answers; and whatever a body
is made of, compressed or endless, `requests` would take it whole.
"""

import http.client
from collections.abc import Callable
from typing import BinaryIO

import requests
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

MOST_HEAD = 1 << 20  # bytes
MOST_BODY = 16 << 20  # bytes, decompressed
MOST_INTERIM = 1000

# What the limits are in has names of its own, which the types of http.client do not know.
read_status: Callable[[http.client.HTTPResponse], tuple[str, int, str]]
read_status = http.client.HTTPResponse._read_status  # type: ignore[attr-defined]


def read_headers(fp: BinaryIO, *_: object) -> list[bytes]:
    """The lines of a head, the blank one too, however many and long they are."""
    lines: list[bytes] = []
    size = 0
    while not lines or lines[-1] not in (b"\r\n", b"\n", b""):
        lines.append(fp.readline(MOST_HEAD))
        size += len(lines[-1])
        if size >= MOST_HEAD:
            raise http.client.HTTPException(f"a head of more than {MOST_HEAD} bytes")
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


class Session(requests.Session):
    """A session that takes nothing from the environment: no proxy, no .netrc. `made`: its connections so far.

    They are counted here, where each is made: of the server's side an address may be seen that was somebody's before.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.made = 0
        session = self

        class Connection(HTTPConnection):
            def connect(self) -> None:
                session.made += 1
                super().connect()

        class Pool(HTTPConnectionPool):
            ConnectionCls = Connection

        adapter = requests.adapters.HTTPAdapter()
        adapter.poolmanager.pool_classes_by_scheme = {"http": Pool}
        self.mount("http://", adapter)


def get(session: requests.Session, url: str, timeout: float) -> tuple[int, bytes]:
    """Status and body of the answer to a GET. Raises requests.RequestException."""
    answer = session.get(url, timeout=timeout, allow_redirects=False, stream=True)
    body = bytearray()
    for piece in answer.iter_content(1 << 16):
        body += piece
        if len(body) > MOST_BODY:
            answer.close()
            raise requests.RequestException(f"a body of more than {MOST_BODY} bytes")
    return answer.status_code, bytes(body)
