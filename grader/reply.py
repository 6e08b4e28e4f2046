"""Read a server's answers strictly: what one head and body are, byte for byte, and nothing assumed.

h11 does the parsing (RFC 9112); the checks before it are those that h11 is too kind for.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import h11

MAX_HEAD = 128 << 10  # bytes; no server of the kata needs a hundredth of it
INTERIM = re.compile(rb"HTTP/1\.1 1(?!01)")
MOST_DIGITS = 18  # of a length: an exabyte
MOST_LINES = 8192  # of a head
MOST_CHUNKS = 200_000  # of an answer
MOST_INTERIM = 1000  # before one answer
LONGEST = 300  # bytes of an answer, or characters of a parser's words, that a message shows
MOST_KEPT = 32 << 20  # bytes of answers that are no file of the site, and eight times the longest file
PAGE = 4096  # bytes: a body of less is kept as it is
SAMPLE = 24  # bytes of a body, by which it is looked for elsewhere
A_LINE = 200  # bytes that a header line costs us, beside its own
USUAL_HEAD = 16 << 10  # bytes, and not counted
CUT_SHORT = re.compile(r"Content-Length says (\d+) bytes, and the stream ends")  # of the words of Malformed


class Malformed(Exception):
    """The bytes received are no HTTP message; the text says which rule they break."""


@dataclass(frozen=True)
class Reply:
    """One answer, complete. `body` is decoded; `length` is the stated Content-Length, None if not stated."""

    status: int
    version: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    head: bytes
    size: int  # bytes on the wire, head included
    interim: tuple[int, ...] = ()  # the statuses that announced it, RFC 9110, section 15.2

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    @property
    def length(self) -> int | None:
        values = self.values("content-length")
        return int(values[0]) if values else None

    @property
    def says_close(self) -> bool:
        tokens = ",".join(self.values("connection")).lower().split(",")
        return "close" in [token.strip() for token in tokens]


#: In the place of an answer that is broken in a way that is known.
NONE = Reply(0, "", (), b"", b"", 0)


class Kept:
    """How many bytes of answers the clients of a server keep in memory, those of the site's files aside.

    Those are kept once for all, and come to be held many times only while they are under way.
    """

    def __init__(self, files: Mapping[str, bytes] | None = None):
        self.files = {} if files is None else files
        self.used = 0

    @property
    def most(self) -> int:
        """No right server has as much on the way: eight large files at once, the others small."""
        return MOST_KEPT + 8 * max(map(len, self.files.values()), default=0)

    def known(self, body: bytes) -> bytes | None:
        """The very bytes of the file of the site that this body is; None if it is none, or short."""
        if len(body) < PAGE:
            return None
        return next((data for data in self.files.values() if len(data) == len(body) and data == body), None)


def shown(data: bytes) -> str:
    """Bytes as Python writes them; a cut is said where it is."""
    rest = len(data) - LONGEST
    return repr(data) if rest <= 0 else f"{data[:LONGEST]!r} [... {rest} bytes more]"


def check_head(head: bytes) -> None:
    """The rules of RFC 9112 that h11 forgives. Raises Malformed."""
    lines = head[:-4].split(b"\r\n", MOST_LINES)
    if len(lines) > MOST_LINES:
        raise Malformed(f"a head of more than {MOST_LINES} lines")
    if not re.match(rb"HTTP/1\.[01] [1-5][0-9][0-9]($| )", lines[0]):
        raise Malformed(f"the status line is {shown(lines[0])}, not 'HTTP/1.1 CODE phrase' (RFC 9112, section 4)")
    for line in lines:
        if b"\n" in line or b"\r" in line:
            raise Malformed(f"a header line does not end in CR LF: {shown(line)} (RFC 9112, section 2.2)")
    names = [line.partition(b":")[0].lower() for line in lines[1:]]
    if names.count(b"content-length") > 1:
        raise Malformed("there are two Content-Length lines")
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length" and len(digits := value.strip(b" \t").lstrip(b"0")) > MOST_DIGITS:
            raise Malformed(f"Content-Length has {len(digits)} digits: nobody has so many bytes")
    if b"content-length" in names and b"transfer-encoding" in names:
        raise Malformed("both Content-Length and Transfer-Encoding are there (RFC 9112, section 6.2)")


class ReplyReader:
    """Cuts the stream of one connection into replies, however its bytes come in pieces.

    `replies` are those complete so far; `pending` is true while part of another is there. kept: what this and the
    other readers of a server keep.
    """

    def __init__(self, kept: Kept | None = None) -> None:
        self.kept = kept or Kept()
        self.weight = 0  # bytes of those that are counted as kept
        self.replies: list[Reply] = []
        self.buffer = b""
        self.machine: h11.Connection | None = None
        self.response: h11.Response | None = None
        self.body = bytearray()
        self.head = b""
        self.received = 0
        self.interim: list[int] = []
        self.chunks = 0

    @property
    def pending(self) -> bool:
        return bool(self.buffer) or self.machine is not None

    @property
    def body_size(self) -> int:
        return len(self.body)

    @property
    def unbounded(self) -> bool:
        """Whether the answer that is under way states no length: then the end of the stream ends it."""
        if self.machine is None or self.response is None:
            return False
        return not {name for name, _ in self.response.headers} & {b"content-length", b"transfer-encoding"}

    def feed(self, data: bytes, most: int | None = None) -> None:
        """Take the next bytes, b"" for the end of the stream. most: answers, after which no other is read.

        Raises Malformed.
        """
        self.buffer += data
        while most is None or len(self.replies) < most:
            if self.machine is None and not self.open(at_end=not data):
                return
            reply = self.advance(at_end=not data)
            if reply is None:
                return
            self.replies.append(reply)

    def weigh(self, more: int) -> None:
        self.weight += more
        self.kept.used += more

    def let_go(self) -> None:
        """Nothing more will come: forget what is under way."""
        self.weigh(-len(self.body))
        self.body = bytearray()

    def open(self, at_end: bool) -> bool:
        """Begin a reply if its head is whole. What only announces one is passed over (RFC 9110, section 15.2)."""
        while self.take_head(at_end):
            if INTERIM.match(self.head):
                self.interim.append(int(self.head[9:12]))
                if len(self.interim) > MOST_INTERIM:
                    raise Malformed(f"more than {MOST_INTERIM} interim answers, and not the one that they announce")
            else:
                self.machine = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
                self.machine.send(h11.Request(method="GET", target="/", headers=[("Host", "kata")]))
                self.machine.send(h11.EndOfMessage())
                self.machine.receive_data(self.head)
                self.response, self.body, self.received = None, bytearray(), len(self.head)
                self.chunks = 0
                return True
        return False

    def take_head(self, at_end: bool) -> bool:
        """Move the next head from the buffer to `head`, if it is whole."""
        if not self.buffer:
            return False
        if not self.buffer.startswith(b"HTTP/1."[: len(self.buffer)]):
            if self.replies:
                raise Malformed(f"after the end of the answer, as its length says, came {self.buffer[:60]!r}")
            raise Malformed(f"the answer begins with {self.buffer[:60]!r}, not with HTTP/1.1 or HTTP/1.0")
        end = self.buffer.find(b"\r\n\r\n") + 4
        if end < 4:
            if at_end:
                raise Malformed(f"the stream ends in the middle of the head: {self.buffer[-200:]!r}")
            if len(self.buffer) > MAX_HEAD:
                raise Malformed(f"no blank line (CR LF CR LF) in the first {MAX_HEAD} bytes of the answer")
            return False
        self.head, self.buffer = self.buffer[:end], self.buffer[end:]
        check_head(self.head)
        return True

    def advance(self, at_end: bool) -> Reply | None:
        """Run the reply that is open as far as the bytes go."""
        assert self.machine is not None
        data, self.buffer = self.buffer, b""
        try:
            if data:
                self.machine.receive_data(data)
                self.received += len(data)
            if at_end:
                self.machine.receive_data(b"")
            while True:
                event = self.machine.next_event()
                if event is h11.NEED_DATA or event is h11.PAUSED:
                    return None
                if isinstance(event, h11.Response):
                    self.response = event
                elif isinstance(event, h11.Data):
                    self.count_chunk(event.chunk_start)
                    self.body += event.data
                    self.weigh(len(event.data))
                elif isinstance(event, h11.EndOfMessage):
                    return self.close()
                elif isinstance(event, h11.ConnectionClosed):
                    raise Malformed("the stream ends before the answer is complete")
        except h11.RemoteProtocolError as error:
            raise Malformed(self.explain(str(error))) from None

    def count_chunk(self, begins: bool) -> None:
        """Each costs us far more than its sender. Raises Malformed."""
        self.chunks += begins
        if self.chunks > MOST_CHUNKS:
            raise Malformed(f"an answer of more than {MOST_CHUNKS} chunks")

    def explain(self, text: str) -> str:
        short = re.search(r"received (\d+) bytes, expected (\d+)", text)
        if short:
            return f"Content-Length says {short[2]} bytes, and the stream ends after {short[1]}"
        return f"the answer is not HTTP: {text[:LONGEST]}{' [...]' if len(text) > LONGEST else ''}"

    def close(self) -> Reply:
        assert self.machine is not None and self.response is not None
        self.buffer = self.machine.trailing_data[0]
        response = self.response
        body = bytes(self.body)
        self.let_go()
        if (known := self.kept.known(body)) is None:
            self.weigh(len(body))
        self.weigh(max(0, len(self.head) + A_LINE * len(response.headers) - USUAL_HEAD))
        reply = Reply(
            response.status_code,
            response.http_version.decode(),
            tuple((name.decode(), value.decode("latin-1")) for name, value in response.headers),
            body if known is None else known,
            self.head,
            self.received - len(self.buffer),
            tuple(self.interim),
        )
        self.machine = None
        self.interim.clear()
        return reply


def excerpt(data: bytes, limit: int = 200) -> str:
    """Bytes as a person can read them; a cut is said where it is."""
    text = data[:limit].decode("latin-1").encode("unicode_escape").decode()
    return text if len(data) <= limit else f"{text} [... {len(data) - limit} bytes more]"


def counted(reply: Reply, wanted: bytes) -> str:
    """Of a body that is only the first part of what was wanted: whether the answer itself says that it is all."""
    short = len(reply.body) < len(wanted) and wanted.startswith(reply.body)
    return ", all that the head has promised" if short and reply.length == len(reply.body) else ""


def difference(got: bytes, wanted: bytes) -> str:
    """Where two bodies part, shown around the first byte that differs; "" if they are the same."""
    if got == wanted:
        return ""
    at = next((i for i, (a, b) in enumerate(zip(got, wanted, strict=False)) if a != b), min(len(got), len(wanted)))
    if at == len(got):
        return f"only the first {len(got)} of {len(wanted)} bytes came"
    if at == len(wanted):
        return f"{len(got) - len(wanted)} bytes too many came, the first of them {excerpt(got[at:], 20)}"
    before = excerpt(wanted[max(at - 12, 0) : at])
    ours, theirs = (
        f"{before}[{excerpt(body[at : at + 1])}]{excerpt(body[at + 1 : at + 12])}" for body in (got, wanted)
    )
    return f"byte {at} is another: {ours} and not {theirs}{elsewhere(got, wanted, at)} ({len(got)} bytes came)"


def elsewhere(got: bytes, wanted: bytes, at: int) -> str:
    """Where in the file the bytes stand that came at `at`, if that is one place and they can be told from others."""
    piece = got[at : at + SAMPLE]
    place = wanted.find(piece) if len(piece) == SAMPLE and len(set(piece)) > SAMPLE // 2 else -1
    return f"; what came there stands at byte {place} of the file" if place >= 0 and alone(wanted, piece) else ""


def alone(wanted: bytes, piece: bytes) -> bool:
    return wanted.find(piece) == wanted.rfind(piece)
