"""The rules of HTTP in the contract as pure functions: what a client sent, and all that came back -> what is broken.

They judge every client of every scene. A rule knows the line of the rubric that it belongs to, so that what is
seen in one scene may cost the line of another. Nothing here waits or asks the kernel.
"""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from ipaddress import IPv6Address
from typing import Protocol

from grader.reply import CUT_SHORT, Reply, counted, difference, shown

REQUEST_LINE = re.compile(rb"([^\s]+) ([^\s]+) HTTP/1\.([01])")
FIELD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*")  # RFC 9112, section 5
PLAIN_LINE = re.compile(rb"GET /[A-Za-z0-9._/?=-]* HTTP/1\.[01]")
PLAIN_START = re.compile(rb"GET /[A-Za-z0-9._/?=-]*( (H(T(T(P(/(1(\.([01]\r?)?)?)?)?)?)?)?)?)?")
USUAL_METHOD = re.compile(r"[A-Z][A-Z-]*")  # who knows only such may take another for none
#: What names a host; what names none is refused, RFC 9112, section 3.2.
LABEL = rb"\w(?:[\w-]*\w)?"
HOST = re.compile(rb"(?:(?:%b\.)*%b\.?|\[(?P<address>[0-9A-Fa-f:.]+)\])(?::(?P<port>\d{0,5}))?" % (LABEL, LABEL))
TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HEAD, ENDLESS = 8192, 65536  # bytes: every head up to here is served; one that goes on past this is cut off
LONG, MANY_LINES = 1000, 20  # bytes and lines of a head from which on its length may be what is refused
MINUTE = 60.0  # seconds for which a client may be silent
TOO_LONG, NOT_THIS_VERSION = {413, 414, 431}, {400, 426, 505}  # statuses, RFC 9110, section 15.5 and 15.6
#: Content codings that can be undone here, and what zlib takes them for, RFC 9110, section 8.4.1.
CODINGS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
FEW = 64  # bytes: so few that are packed might be those of another file
GZIP = b"\x1f\x8b"  # how each member of it begins
PIECE, MOST_MEMBERS = 4096, 10_000  # bytes that are unpacked at a time, and members of gzip
MOST_UNPACKED = 64 << 20  # bytes: no file of the site is so long
MANY = 100  # requests that a connection serves at least
#: Header fields that make a request one that may be served or refused in any way.
NOT_GRADED = {"content-length", "transfer-encoding", "range", "if-range", "expect", "te"}
CONDITIONAL = "if-"


class Wanted(Protocol):
    """What a target may be answered, as `docroot.Wanted` says it."""

    @property
    def statuses(self) -> tuple[int, ...]: ...
    @property
    def bodies(self) -> tuple[bytes, ...]: ...
    @property
    def kind(self) -> str: ...
    @property
    def why(self) -> str: ...


class Site(Protocol):
    """The folder that is served, and what must not be."""

    def wanted(self, target: bytes, since: float = 0.0) -> Wanted: ...
    def leaks(self, data: bytes) -> bool: ...
    def holds(self, data: bytes) -> bool: ...


#: What kind of target it is -> the line of the rubric that says how it is answered.
LINES = {
    "plain": "contents",
    "empty": "contents",
    "large": "large_file",
    "name": "names",
    "query": "queries",
    "folder": "folders",
    "no slash": "folders",
    "missing": "missing",
    "undecodable": "missing",
    "outside": "outside",
    "link": "links",
    "inside link": "links",
    "wander": "wandering",
    "fresh": "fresh_files",
    "odd": "outside",
}


@dataclass(frozen=True)
class Request:
    """A whole head as a client sent it, its blank line left out. `version` is "1.0" or "1.1"; "" of what is no HTTP."""

    head: bytes
    method: bytes = b""
    target: bytes = b""
    version: str = ""
    fields: tuple[tuple[str, bytes], ...] = ()
    legal: bool = True  # every header line parses

    @cached_property
    def options(self) -> list[str]:
        """The words of all its Connection lines, RFC 9110, section 7.6.1."""
        values = b",".join(value for name, value in self.fields if name == "connection")
        return [word.strip(" \t").lower() for word in values.decode("latin-1").split(",")]

    @cached_property
    def closes(self) -> str:
        """The line of the rubric by which its answer is the last one; "" if it is not."""
        if "close" in self.options:
            return "asked_to_close"
        return "http10" if self.version == "1.0" and "keep-alive" not in self.options else ""

    @property
    def either(self) -> bool:
        """HTTP/1.0 that asks for keep-alive may be granted it or not."""
        return self.version == "1.0" and "keep-alive" in self.options and "close" not in self.options

    @property
    def free(self) -> bool:
        """Whether a server may serve or refuse it as it likes."""
        if not self.version:
            words = self.head.split(b"\r\n")[0].split()
            shaped = any(word.startswith(b"HTTP/") for word in words)
            return not words or shaped or (words[0] == b"GET" and len(words) == 2)  # HTTP/0.9 among them
        names = [name for name, _ in self.fields]
        hosts = [value for name, value in self.fields if name == "host"]
        odd = any(name in NOT_GRADED or name.startswith(CONDITIONAL) for name in names if not self.harmless(name))
        targets = not self.target.startswith(b"/") or any(byte > 126 or byte < 33 for byte in self.target)
        return (
            odd or targets or not self.legal or len(hosts) != 1 or not names_a_host(hosts[0]) or self.method == b"HEAD"
        )

    def accepts(self, coding: str) -> bool:
        """Whether it has asked for this content coding, RFC 9110, section 12.5.3; what cannot be read asks for it."""
        asked = b",".join(value for name, value in self.fields if name == "accept-encoding").decode("latin-1").lower()
        weights = {}
        for part in asked.split(","):
            name, _, weight = part.replace(" ", "").replace("\t", "").partition(";")
            weights[name] = not re.fullmatch(r"q=0(\.0*)?", weight)
        return weights.get(coding, weights.get("*", False))

    @property
    def long(self) -> bool:
        """Whether its length may be what is refused, whatever it asks for."""
        return len(self.head) > LONG or len(self.fields) > MANY_LINES

    def harmless(self, name: str) -> bool:
        """A Content-Length of 0 says that there is no body."""
        values = [value.strip() for other, value in self.fields if other == name]
        return name == "content-length" and self.method != b"GET" and values == [b"0"]


def parse(head: bytes) -> Request:
    first, *lines = head.split(b"\r\n")
    match = REQUEST_LINE.fullmatch(first)
    if not match or not TOKEN.fullmatch(match[1]):
        return Request(head)
    pairs = [(name.lower().decode("latin-1"), value) for name, _, value in (line.partition(b":") for line in lines)]
    legal = all(map(FIELD.fullmatch, lines))
    return Request(head, match[1], match[2], f"1.{match[3].decode()}", tuple(pairs), legal)


def names_a_host(value: bytes) -> bool:
    """Whether the value of a Host line is a name or an address, and perhaps a port, RFC 9110, section 7.2."""
    found = HOST.fullmatch(value.strip(b" \t"))
    if not found or int(found["port"] or 0) > 65535:
        return False
    try:
        return not found["address"] or bool(IPv6Address(found["address"].decode()))
    except ValueError:
        return False


def cut(sent: bytes) -> tuple[list[Request], bytes]:
    """The whole heads in what was sent, and the rest. Nothing that we send to be judged has a body."""
    *heads, rest = sent.split(b"\r\n\r\n")
    return [parse(head) for head in heads], rest


@dataclass(frozen=True)
class Exchange:
    """All that passed on one connection.

    asked: when each head was whole, seconds by time.monotonic(). ended: how the server ended it ("end of stream",
    "reset", ""). half_closed: the client had shut down its sending side. over: the server is known to do nothing
    more for it. idle: seconds, by the server's clock, since either side had sent a byte, when it ended or until now.
    pending: part of an answer has come; unbounded: its head, which states no length.
    """

    sent: bytes
    replies: tuple[Reply, ...]
    long: bool
    site: Site
    malformed: str = ""
    ended: str = ""
    half_closed: bool = False
    over: bool = False
    pending: bool = False
    unbounded: bool = False
    idle: float = 0.0
    asked: tuple[float, ...] = ()
    requests: tuple[Request, ...] = field(init=False)
    rest: bytes = field(init=False)

    def __post_init__(self) -> None:
        requests, rest = cut(self.sent)
        object.__setattr__(self, "requests", tuple(requests))
        object.__setattr__(self, "rest", rest)

    def wanted(self, number: int) -> Wanted:
        since = self.asked[number] if number < len(self.asked) else 0.0
        return self.site.wanted(self.requests[number].target, since)


LEAK = "a file from outside the root was sent"
#: Rules whose breach may be the work of what else went on: whether it is shows a server that is asked this alone.
OF_ONE_ANSWER = {"status", "body", "readable", "parse", "surplus", "answered", "ends"}


@dataclass(frozen=True)
class Violation:
    """A rule that is broken, the line of the rubric that it costs, what was expected and seen, at which request."""

    rule: str
    line: str
    expected: str
    saw: str
    number: int = 0


def judge(exchange: Exchange, begin: int = 0) -> list[Violation]:
    """Every rule that this exchange breaks, the first that was broken first. begin: answers before are known."""
    found: list[Violation] = []
    for number, reply in enumerate(exchange.replies[begin:], begin):
        if number >= len(exchange.requests):
            found += one_too_many(exchange, number)
            break
        if closing := last_before(exchange, number):
            found.append(closing)
            break
        found += [replace(violation, number=number) for violation in answer(exchange, number, reply)]
    last = len(exchange.replies)
    if exchange.malformed and last < len(exchange.requests) and exchange.requests[last].method == b"HEAD":
        pass  # its answer has no body, whatever its length says, RFC 9110, section 9.3.2: it is not read so
    elif exchange.malformed:
        found.append(replace(unreadable(exchange), number=last))
    elif exchange.unbounded and exchange.long and last < len(exchange.requests):
        expected = f"Content-Length in the answer to {what(exchange.requests[last])}"
        found.append(Violation("length", "lengths", expected, "a head without it", last))
    else:
        found += [replace(found_, number=min(last, max(len(exchange.requests) - 1, 0))) for found_ in end(exchange)]
    return found


def line_of(exchange: Exchange, number: int, *, unheard: bool = False) -> str:
    """The line that says how this request is answered. unheard: it is not answered at all."""
    request = exchange.requests[number]
    if not request.version:
        return "junk"
    if request.method != b"GET":
        return "other_methods"
    if len(request.head) + 4 > ENDLESS:
        return "endless_head"
    if unheard and request.long and len(request.target) <= LONG:
        return "long_head"
    return LINES[exchange.wanted(number).kind]


def what(request: Request) -> str:
    if not request.version:
        return shown(request.head[:60])
    return f"{request.method.decode('latin-1')} {request.target[:100].decode('latin-1')}"


def answer(exchange: Exchange, number: int, reply: Reply) -> Iterator[Violation]:
    """The rules of one answer to one request."""
    request = exchange.requests[number]
    asked = what(request)
    if exchange.site.leaks(reply.body) or exchange.site.leaks(reply.head):
        line = line_of(exchange, number)
        line = line if line in ("links", "outside") else "outside"
        yield Violation("nothing from outside", line, f"nothing from outside the root for {asked}", LEAK)
    yield from framing(exchange, request, reply)
    if request.free:
        return
    statuses, why = allowed(exchange, number)
    if not statuses:
        return
    if reply.status not in statuses:
        expected = f"{' or '.join(map(str, sorted(statuses)))} ({why})"
        if line := refused(exchange, number, reply.status):
            yield Violation("status", line, expected, f"{asked} was answered {reply.status}")
    elif reply.status == 200:
        yield from body(exchange, number, reply)
    elif reply.status == 404 and not readable(reply):
        expected = "404 with a body that a person can read"
        seen = shown(reply.body[:60]) if reply.body else "an empty body"
        yield Violation("readable", "missing", expected, f"{seen} for {asked}")


def refused(exchange: Exchange, number: int, status: int) -> str:
    """The line that a wrong status costs; "" if another request shows better what is wrong.

    A head may be refused for its length or its version, whatever it asks for. Who refuses a version refuses it to a
    plain file too; elsewhere a 400 may be about the target, which is seen by HTTP/1.1.
    """
    request = exchange.requests[number]
    too_long = status in TOO_LONG and (request.long or exchange.wanted(number).kind != "large")  # else it is the file
    if too_long or (status == 400 and request.long and request.method == b"GET"):
        return "long_head"
    if request.version == "1.0" and status in NOT_THIS_VERSION:
        plain = request.method == b"GET" and exchange.wanted(number).kind == "plain"
        return ("http10" if exchange.long else "strict") if plain else ""
    return line_of(exchange, number)


def refusals(method: str) -> frozenset[int]:
    """The statuses for a method other than GET. Letter case counts in one, RFC 9110, section 9.1; who knows only words
    in capitals may take another for none."""
    return frozenset({405, 501} if USUAL_METHOD.fullmatch(method) else {400, 405, 501})


def allowed(exchange: Exchange, number: int) -> tuple[frozenset[int], str]:
    """The statuses that this request may be answered, and why."""
    request = exchange.requests[number]
    if not request.version:
        return frozenset({400}), f"{shown(request.head[:60])} is no HTTP"
    name = request.method.decode("latin-1")
    if request.method != b"GET":
        return refusals(name), f"{name} is not GET"
    wanted = exchange.wanted(number)
    statuses = frozenset(wanted.statuses)
    if len(request.head) + 4 > HEAD:
        statuses = statuses | TOO_LONG | {400}
    return statuses, wanted.why


def body(exchange: Exchange, number: int, reply: Reply) -> Iterator[Violation]:
    """A 200 holds the bytes of the file."""
    wanted, request = exchange.wanted(number), exchange.requests[number]
    coded = [value.strip().lower() for value in reply.values("content-encoding")]
    coding = "".join(value for value in coded if value != "identity")
    if coding and not request.accepts(coding):
        expected = f"the bytes of {what(request)} as they are, which asked for no such coding"
        yield Violation("body", line_of(exchange, number), expected, f"Content-Encoding: {coding}")
        return
    if not wanted.bodies:
        return
    best, saw = wanted.bodies[-1], ""
    if coding and coding not in CODINGS:
        if len(reply.body) > FEW and exchange.site.holds(reply.body):
            saw = f"Content-Encoding: {coding}, and the bytes of a file as they are"
    else:
        decoded, amiss = unpacked(reply.body, coding) if coding else (reply.body, "")
        if amiss:
            saw = f"Content-Encoding: {coding}, and {amiss}"
        elif decoded not in wanted.bodies:
            saw = difference(decoded, best) + counted(reply, best)
    if saw:
        expected = f"200 with the {len(best)} bytes of {request.target[:100].decode('latin-1')}"
        yield Violation("body", line_of(exchange, number), expected, saw)


def unpacked(body: bytes, coding: str, most: int = MOST_UNPACKED) -> tuple[bytes, str]:
    """The bytes that are coded so, as far as they go, and what is wrong with their packing. Nothing may stand for
    nothing; gzip may come in several members, RFC 1952, section 2.2, and NUL bytes behind them are padding."""
    data, view, at, ends = bytearray(), memoryview(body), 0, 0
    machine = zlib.decompressobj(CODINGS[coding])
    while at < len(body):
        try:
            data += machine.decompress(view[at : at + PIECE], most - len(data))
        except zlib.error as error:
            return bytes(data), f"zlib says {str(error).rpartition(': ')[2]!r} when it is unpacked"
        if len(data) >= most:
            return bytes(data), ""
        at = min(at + PIECE, len(body)) - len(machine.unused_data)
        if not machine.eof:
            continue
        ends += 1
        if at < len(body) and (coding == "deflate" or body[at : at + 2] != GZIP or ends == MOST_MEMBERS):
            padding = coding != "deflate" and not body[at:].strip(b"\0")
            return bytes(data), "" if padding else f"{len(body) - at} bytes more behind the end of what is packed"
        if at < len(body):
            machine = zlib.decompressobj(CODINGS[coding])
    return bytes(data), "" if machine.eof or not body else "what is packed does not come to its end"


def readable(reply: Reply) -> bool:
    """Whether a person finds words in a body: text that shows something, the tags of HTML left out."""
    if [value for value in reply.values("content-encoding") if value.strip().lower() != "identity"]:
        return True
    kind = ",".join(reply.values("content-type")).lower()
    stated = re.findall(r"charset=\"?([\w.:-]+)", kind)
    for coding in (*stated, "utf-8", "utf-16" if reply.body[:2] in (b"\xff\xfe", b"\xfe\xff") else "latin-1"):
        try:
            text = reply.body.decode(coding)
        except (LookupError, ValueError):  # no such charset, or not in it
            continue
        title = re.search(r"(?is)<title>(.*?)</title>", text)
        if not kind or "html" in kind or "xml" in kind:
            text = re.sub(r"(?s)<(script|style|head)\b.*?</\1>|<[^>]*>", " ", text)
        return "\0" not in text and any(letter.isalnum() for letter in text + (title[1] if title else ""))
    return False


def framing(exchange: Exchange, request: Request, reply: Reply) -> Iterator[Violation]:
    """What every answer says of itself, whatever its status."""
    asked = what(request)
    coded = bool(reply.values("transfer-encoding"))
    if coded and "1.0" in (request.version, reply.version):
        expected = "no chunked coding for HTTP/1.0 (RFC 9112, section 6.1)"
        yield Violation("coding", "strict", expected, f"Transfer-Encoding in the {reply.status} to {asked}")
    if reply.interim and request.version == "1.0":
        expected = "no interim answer for HTTP/1.0 (RFC 9110, section 15.2)"
        yield Violation("interim", "strict", expected, f"{reply.interim[0]} before the {reply.status} to {asked}")
    if exchange.long and reply.length is None and reply.status >= 200:
        expected = f"Content-Length in the {reply.status} to {asked}"
        yield Violation("length", "lengths", expected, "chunked coding in its place" if coded else "no such line")
    for name, value in dict.fromkeys(planted(request)):
        if any(value in line for line in reply.values(name)):
            expected = f"nothing that a client wrote as a header line of the answer to {asked}"
            yield Violation("planted", "strict", expected, f"the line {name}: {value}")


def planted(request: Request) -> Iterator[tuple[str, str]]:
    """Header lines that a request would like to have in its answer: name and value, from an escaped line break, or
    from half of one in a value of its own."""
    target, values = request.target, b" ".join(value for _, value in request.fields if b"\r" in value or b"\n" in value)
    for _ in range(2):
        target = re.sub(rb"%([0-9A-Fa-f]{2})", lambda match: bytes([int(match[1], 16)]), target)
        for line in (*re.split(rb"[\r\n]+", target)[1:], *re.split(rb"[\r\n]+", values)[1:]):
            name, colon, value = line.partition(b":")
            if colon and TOKEN.fullmatch(name):
                yield name.decode().lower(), value.split()[0].decode("latin-1") if value.split() else ""


def last_before(exchange: Exchange, number: int) -> Violation | None:
    """Nothing is answered on a connection after the answer that closes it."""
    if not number:
        return None
    if not exchange.long:
        expected = "one request, one answer, and the end of the connection"
        return Violation("one answer", "end_of_stream", expected, f"{len(exchange.replies)} answers on one connection")
    for before in range(number):
        if line := exchange.requests[before].closes:
            asked = "`Connection: close`" if line == "asked_to_close" else "HTTP/1.0"
            expected = f"no answer after the one to the request with {asked}"
            return Violation(
                "last answer", line, expected, f"what was sent behind it was answered {status(exchange, number)}"
            )
    return None


def status(exchange: Exchange, number: int) -> int:
    return exchange.replies[number].status


def one_too_many(exchange: Exchange, number: int) -> Iterator[Violation]:
    """An answer to a request that is not complete, or to none."""
    reply = exchange.replies[number]
    yield from framing(exchange, Request(exchange.rest[:60]), reply)
    if reply.status == 408 and may_be_over(exchange, number):
        return  # a time-out that is told, RFC 9110, section 15.5.9
    elif exchange.rest and len(exchange.rest) <= HEAD and plausible(exchange.rest):
        expected = "no answer yet: the head is not complete"
        yield Violation("early", "pieces", expected, f"half a head was answered {reply.status}")
    elif exchange.rest and (len(exchange.rest) > HEAD or reply.status == 400):
        return  # a long head, or one that is no HTTP already
    elif exchange.half_closed and reply.status in (400, 408):
        return  # the rest of the head will not come
    else:
        expected = f"{len(exchange.requests)} answers, one for each request, and nothing after them"
        yield Violation("one answer", "strict", expected, f"one more, {reply.status}")


def unreadable(exchange: Exchange) -> Violation:
    """What came is no HTTP, or not what its own length says."""
    number = len(exchange.replies)
    asked = what(exchange.requests[number]) if number < len(exchange.requests) else "nothing more"
    if exchange.long and "stream ends in the middle" not in exchange.malformed and "no length" in exchange.malformed:
        return Violation("length", "lengths", f"Content-Length in the answer to {asked}", exchange.malformed)
    if stated := cut_short(exchange, number):
        expected = f"200 with the {stated} bytes of {exchange.requests[number].target[:100].decode('latin-1')}"
        return Violation("body", line_of(exchange, number), expected, exchange.malformed)
    rule = "parse" if number < len(exchange.requests) else "surplus"
    return Violation(rule, "strict", f"an answer to {asked} that parses as HTTP", exchange.malformed)


def cut_short(exchange: Exchange, number: int) -> int:
    """The length that an answer states, if it is the file's, of which not all came; or 0."""
    if number >= len(exchange.requests) or not (stated := CUT_SHORT.match(exchange.malformed)):
        return 0
    request = exchange.requests[number]
    whole = request.method == b"GET" and int(stated[1]) in map(len, exchange.wanted(number).bodies)
    return int(stated[1]) if whole else 0


def plausible(rest: bytes) -> bool:
    """Whether what is there of a head may yet become a request that must be served, and nothing in it is odd."""
    first, *lines = rest.split(b"\r\n")
    if not lines:
        return bool(PLAIN_START.fullmatch(first)) or first.startswith(b"GET /"[: len(first)])
    whole = lines[:-1]  # the last is not, or is empty
    names = {line.partition(b":")[0].lower().decode("latin-1") for line in whole}
    return bool(PLAIN_LINE.fullmatch(first)) and all(map(FIELD.fullmatch, whole)) and not names & NOT_GRADED


def end(exchange: Exchange) -> Iterator[Violation]:
    """The connection ends when it should, and not before."""
    answered, asked = len(exchange.replies), len(exchange.requests)
    last = exchange.requests[answered - 1] if 0 < answered <= asked else None
    may_close = last is not None and ends_as_it_likes(last)
    how = "a reset" if exchange.ended == "reset" else "the end of the stream"
    if exchange.ended and answered < asked and due(exchange, answered) and not overrun(exchange, answered):
        line = line_of(exchange, answered, unheard=True)
        yield Violation("answered", line, f"an answer to {what(exchange.requests[answered])}", f"{how} came")
    elif exchange.over and not exchange.ended and exchange.long and answered < min(expected(exchange), asked):
        seen = f"the connection stays open after the {exchange.replies[-1].status}" if exchange.replies else "none"
        due_then = f"an answer to {what(exchange.requests[answered])}, or the end of the connection"
        yield Violation("answered behind", "pipelined", due_then, seen)
    elif last is None:
        if given_up(exchange) and not exchange.replies:
            seen = f"{how} after {exchange.idle:.0f} s of silence"
            yield Violation("patience", "patience", "no end before a client was silent for 60 s", seen)
    elif not exchange.long or last.closes:
        line = last.closes if exchange.long else "end_of_stream"
        # What is unread when the socket is closed makes a reset of it: more behind, or what is no request of ours.
        behind = asked > answered or bool(exchange.rest) or last.free or not last.version or len(last.head) > HEAD
        if exchange.over and not exchange.ended:
            yield Violation("ends", line, "the end of the stream after the answer", "the connection stays open")
        elif exchange.ended == "reset" and not behind and not exchange.pending:
            yield Violation("ends", line, "the end of the stream after the answer", "a reset")
    elif exchange.ended and not may_close and answered < MANY and not exchange.half_closed:
        yield from stays(exchange, last, how)


def ends_as_it_likes(request: Request) -> bool:
    """Whether the connection may end with the answer to this request, or stay open."""
    no_get = not request.version or request.method != b"GET"
    return request.free or request.either or no_get or len(request.head) + 4 > HEAD


def overrun(exchange: Exchange, number: int) -> bool:
    """Whether the client had sent more behind its last request: who closes with that unread resets, and what has not
    been taken by then of the answer is lost; RFC 9112, section 9.6, asks for more than the contract."""
    behind = [
        place for place, each in enumerate(exchange.requests) if place >= number and (each.closes or not exchange.long)
    ]
    return exchange.ended == "reset" and any(len(exchange.requests) > place + 1 or exchange.rest for place in behind)


def stays(exchange: Exchange, last: Request, how: str) -> Iterator[Violation]:
    """A long connection stays open after an answer."""
    if may_be_over(exchange, len(exchange.replies)):
        return
    if (exchange.rest and len(exchange.rest) > HEAD) or (exchange.rest and not plausible(exchange.rest)):
        return
    if exchange.rest:
        expected = "no end before a client was silent for 60 s: part of its next head is there"
        yield Violation("patience", "patience", expected, f"{how} after {exchange.idle:.0f} s")
        return
    plain = {name for name, _ in last.fields} <= {"host"} and b"?" not in last.target
    line = "hundred" if plain else "not_asked_to_close"
    yield Violation("stays", line, f"the connection open after the {exchange.replies[-1].status} to {what(last)}", how)


def may_be_over(exchange: Exchange, answered: int) -> bool:
    """Whether this client has been silent for so long that it may be given up."""
    return exchange.idle >= (idle_limit(exchange.replies[answered - 1]) if answered and not exchange.rest else MINUTE)


def idle_limit(reply: Reply) -> float:
    """Seconds after which a connection may be given up that is idle since this answer; half a one less than stated."""
    stated = stated_timeout(reply)
    return MINUTE if stated is None else min(MINUTE, stated - 0.5)


def due(exchange: Exchange, number: int) -> bool:
    """Whether this request, the next to be answered, must be: nothing before it may have ended the connection."""
    if number >= MANY or (number and not exchange.long):
        return False
    for before in exchange.requests[:number]:
        if before.closes or ends_as_it_likes(before):
            return False
    request = exchange.requests[number]
    return bool(request.version) and not request.free and len(request.head) + 4 <= HEAD


def expected(exchange: Exchange) -> int:
    """How many answers come to what was sent, unless the connection ends."""
    number = 0
    for before in exchange.requests[:MANY]:
        number += 1
        if before.closes or before.free or before.either or not before.version or not exchange.long:
            break
    return number


def given_up(exchange: Exchange) -> bool:
    """Whether a client that could still have gone on was sent away before its minute was over."""
    if not exchange.ended or exchange.requests or exchange.half_closed or exchange.idle >= MINUTE:
        return False
    return len(exchange.rest) <= HEAD and (not exchange.rest or plausible(exchange.rest))


def stated_timeout(reply: Reply) -> float | None:
    """Seconds after `timeout=` in the Keep-Alive header of an answer, RFC 2068, section 19.7.1."""
    for part in ",".join(reply.values("keep-alive")).split(","):
        name, _, number = part.strip().partition("=")
        if name.lower() == "timeout" and number.strip().isdigit():
            return float(number)
    return None
