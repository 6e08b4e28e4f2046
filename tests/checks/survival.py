"""Sections 1, 2 and 5 of the contract: whatever a client sends or does, the next one is served; a thousand too."""

import os
import resource
import time
from collections.abc import Callable, Iterator
from functools import partial

from grader import evidence
from grader.client import Client, request
from grader.grading import Grading
from grader.reply import excerpt
from grader.subject import Server
from grader.words import plural
from tests.checks import clients, leaving, questions, ways

LONG_ENOUGH = 60  # seconds: who takes more than that for a thousand clients is not asked for all of them
PATIENT = 50  # seconds: who has been silent for less than that may not have been given up, however busy others were
HOST = b"Host: kata.test\r\n"
PAGE = b"GET /page1.txt HTTP/1.1\r\n"
#: The first bytes of a TLS connection, RFC 8446, section 4.1.2: a record, and in it a ClientHello.
CLIENT_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(range(189)) + b"\r\n\r\n"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")  # RFC 9113, section 3.4

#: What the head has -> the head. No number in them has more than twenty digits.
WHOLE = {
    "a blank line alone": b"\r\n\r\n",
    "two blank lines, then a request": b"\r\n\r\n" + PAGE + HOST + b"\r\n",
    "an empty line before a request": b"\r\n" + PAGE + HOST + b"\r\n",
    "one blank": b" \r\n\r\n",
    "one colon": b":\r\n\r\n",
    "one word": b"GET\r\n\r\n",
    "a method and a target, and no version": b"GET /page1.txt\r\n\r\n",
    "no Host": PAGE + b"\r\n",
    "no Host, with HTTP/1.0": b"GET /page1.txt HTTP/1.0\r\n\r\n",
    "two Hosts": PAGE + HOST + HOST + b"\r\n",
    "an empty Host": PAGE + b"Host:\r\n\r\n",
    "three blanks in a row": b"GET   /page1.txt   HTTP/1.1\r\n" + HOST + b"\r\n",
    "a tab in the request line": b"GET\t/page1.txt\tHTTP/1.1\r\n" + HOST + b"\r\n",
    "lower-case http/1.1": b"GET /page1.txt http/1.1\r\n" + HOST + b"\r\n",
    "a version without a name": b"GET /page1.txt 1.1\r\n" + HOST + b"\r\n",
    "a version without a number": b"GET /page1.txt HTTP/\r\n" + HOST + b"\r\n",
    "a version that is no number": b"GET /page1.txt HTTP/a.b\r\n" + HOST + b"\r\n",
    "HTTP/9.9": b"GET /page1.txt HTTP/9.9\r\n" + HOST + b"\r\n",
    "HTTP/1.10": b"GET /page1.txt HTTP/1.10\r\n" + HOST + b"\r\n",
    "HTTP/1": b"GET /page1.txt HTTP/1\r\n" + HOST + b"\r\n",
    "the preface of HTTP/2": PREFACE,
    "a method with bytes that are no ASCII": b"G\xc3\x8bT\xff /page1.txt HTTP/1.1\r\n" + HOST + b"\r\n",
    "an empty method": b" /page1.txt HTTP/1.1\r\n" + HOST + b"\r\n",
    "header line without a colon": PAGE + HOST + b"no colon here\r\n\r\n",
    "header line that begins with a colon": PAGE + HOST + b": no name\r\n\r\n",
    "header name with a blank in it": PAGE + HOST + b"X Y: z\r\n\r\n",
    "header name with a blank behind it": PAGE + b"Host : kata.test\r\n\r\n",
    "header name that is no ASCII": PAGE + HOST + b"X-\xff\xfe: z\r\n\r\n",
    "header value that is no UTF-8": PAGE + HOST + b"X-Y: \xff\xfe\x80\r\n\r\n",
    "header line that is folded": PAGE + HOST + b"X-Y: a\r\n b\r\n\tc\r\n\r\n",
    "a folded line before any other": PAGE + b" b\r\n" + HOST + b"\r\n",
    "a NUL in a header": PAGE + HOST + b"X-Y: a\0b\r\n\r\n",
    "a carriage return in a header": PAGE + HOST + b"X-Y: a\rb\r\n\r\n",
    "a line feed alone in a header": PAGE + HOST + b"X-Y: a\nb\r\n\r\n",
    "Content-Length: abc": PAGE + HOST + b"Content-Length: abc\r\n\r\n",
    "Content-Length: -1": PAGE + HOST + b"Content-Length: -1\r\n\r\n",
    "Content-Length: +5, and five bytes": PAGE + HOST + b"Content-Length: +5\r\n\r\nhello",
    "Content-Length: 5, and five bytes": PAGE + HOST + b"Content-Length: 5\r\n\r\nhello",
    "Content-Length: 0x5": PAGE + HOST + b"Content-Length: 0x5\r\n\r\nhello",
    "Content-Length of 20 digits": PAGE + HOST + b"Content-Length: 99999999999999999999\r\n\r\n",
    "a line without a colon behind a long word": PAGE + HOST + b"X-Y: " + b"a" * 60 + b"\r\nnothing\r\n\r\n",
    "a long value, and a sign that no value has": PAGE + HOST + b"X-Y: " + b"a1-" * 20 + b"\x01!\r\n\r\n",
    "a long name of a header, and no colon": PAGE + HOST + b"X" * 60 + b"!\r\n\r\n",
    "a long query, and HTTP/2.0": b"GET /page1.txt?" + b"a" * 60 + b" HTTP/2.0\r\n" + HOST + b"\r\n",
    "a query of many parts, and no version": b"GET /page1.txt?" + b"a=b&" * 15 + b"! HTTP/\r\n" + HOST + b"\r\n",
    "a long path, and no version": b"GET /" + b"a/b." * 15 + b" !\r\n" + HOST + b"\r\n",
    "a long method, and a sign that no method has": b"G" * 60 + b"[ /page1.txt HTTP/1.1\r\n" + HOST + b"\r\n",
    "sixty blanks": PAGE + HOST + b"X-Y:" + b" " * 60 + b"\x01\r\n\r\n",
    "a Cookie of odd names": PAGE + HOST + b"Cookie: user/id=3; [a]=b; =; ,\r\n\r\n",
    "Content-Length, and nothing": PAGE + HOST + b"Content-Length:\r\n\r\n",
    "Content-Length in digits that are no ASCII": PAGE + HOST + b"Content-Length: \xb2\r\n\r\n",
    "two Content-Lengths": PAGE + HOST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "Transfer-Encoding: chunked, and no chunk but the last": (
        PAGE + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "Transfer-Encoding: chunked, and a size that is no number": (
        PAGE + HOST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n"
    ),
    "Range: bytes=5-2": PAGE + HOST + b"Range: bytes=5-2\r\n\r\n",
    "Range: bytes=a-b": PAGE + HOST + b"Range: bytes=a-b\r\n\r\n",
    "Range: rubbish": PAGE + HOST + b"Range: rubbish\r\n\r\n",
    "If-Modified-Since: rubbish": PAGE + HOST + b"If-Modified-Since: rubbish\r\n\r\n",
    "If-Modified-Since: a day that is none": (
        PAGE + HOST + b"If-Modified-Since: Fri, 31 Feb 2023 25:61:61 GMT\r\n\r\n"
    ),
    "Connection: commas": PAGE + HOST + b"Connection: ,,;=,\r\n\r\n",
    "Expect: 100-continue": PAGE + HOST + b"Expect: 100-continue\r\n\r\n",
    "a Cookie of 4 KiB": PAGE + HOST + b"Cookie: a=" + b"b" * 4096 + b"\r\n\r\n",
    "an odd Accept-Encoding": PAGE + HOST + b"Accept-Encoding: gzip;q=x, ;q=, *;q=1;q=2\r\n\r\n",
}
#: What stands in the place of the target.
TARGETS = {
    "the absolute form": b"http://kata.test/page1.txt",
    "the absolute form, out of the root": b"http://kata.test/../secret.txt",
    "the absolute form without a path": b"http://kata.test",
    "a port that is no number": b"http://kata.test:port/page1.txt",
    "a port of its own": b"http://kata.test:99999/page1.txt",
    "a file of the machine": b"file:///../secret.txt",
    "*": b"*",
    "host and port": b"kata.test:80",
    "no slash": b"page1.txt",
    "a bracket": b"//[",
    "a closed bracket": b"//]",
    "a host of brackets": b"http://[",
    "an address that is none": b"http://[::1:x]/page1.txt",
    "a fraction for a host": "http://\u2100/page1.txt".encode(),
    "an empty one before the query": b"?",
    "a `#`": b"#",
    "a backslash": b"\\..\\secret.txt",
    "bytes that are no UTF-8": b"/\xff\xfe\x80.txt",
    "a tab": b"/page1\t.txt",
    "a percent at the end": b"/%",
    "a percent and one digit": b"/%4",
    "percents": b"/%%%25%zz%",
    "half a surrogate pair": b"/%ed%a0%80",
    "over-long UTF-8": b"/%c0%af..%c0%afsecret.txt",
    "an escaped NUL": b"/%00",
    "an escaped line end": b"/%0d%0aX-Y:%20z",
    "a NUL": b"/\0",
    "one of 5,000 bytes": b"/" + b"a/" * 2500,
    "format letters": b"/%s%d%(a)s{0}{a.b}",
}
#: The same, of those who are on their way elsewhere.
AWAY = {
    "a climb": b"/../secret.txt",
    "a climb that is escaped": b"/sub/%2e%2e/%2e%2e/secret.txt",
    "a path that wanders": b"/sub/../page1.txt",
    "two slashes": b"//page1.txt",
}
OTHERS = {"OPTIONS *": b"OPTIONS * HTTP/1.1\r\n", "CONNECT": b"CONNECT kata.test:80 HTTP/1.1\r\n"}
#: These a server may wait behind: more may be to come.
UNFINISHED = {
    "line feeds alone": b"\n\n\n\n",
    "lines that end in a line feed alone": b"GET /page1.txt HTTP/1.1\nHost: kata.test\n\n",
    "carriage returns alone": b"\r\r\r\r",
    "NUL bytes": b"\0" * 100,
    "a ClientHello of TLS": CLIENT_HELLO,
    "Content-Length: 5, and nothing behind": PAGE + HOST + b"Content-Length: 5\r\n\r\n",
    "Content-Length: +5, and nothing behind": PAGE + HOST + b"Content-Length: +5\r\n\r\n",
    "Transfer-Encoding: chunked, and nothing behind": PAGE + HOST + b"Transfer-Encoding: chunked\r\n\r\n",
    "Expect: 100-continue, and nothing behind": (PAGE + HOST + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"),
}


#: Header fields, those together that hardly anybody reads before refusing another.
FIELDS = (
    ("Host",),
    ("Range", "If-Range"),
    ("If-Modified-Since", "If-Unmodified-Since", "Date"),
    ("If-None-Match", "If-Match", "Cache-Control", "Keep-Alive"),
    ("X-Request-Id", "Access-Control-Request-Headers", "X-Real-IP", "X-Forwarded-Port", "Traceparent", "Sec-CH-UA"),
    ("Cookie", "Authorization", "Referer", "Origin", "Forwarded", "X-Forwarded-For", "Max-Forwards", "Via"),
    ("Accept", "Accept-Encoding", "Accept-Language", "Accept-Charset", "Content-Type", "TE", "User-Agent"),
)
#: Values at the borders of what the grammars of these fields allow, and beyond.
VALUES = (
    *("", "=", ":", ";", ",", "-", '"', "%", "*", "q=x", ";q=", "a=", "=b", "a b", "/", "../..", "{0}%s", "\xff\xb2"),
    *("bytes=-", "bytes=0-0,-", "bytes=-0", "bytes=--5", "bytes=9-1", "bytes=0-99999999999999999999", "bytes"),
    *("kata.test:", "kata.test:http", "kata.test:99999", "[", "[::1", "[::1]:", "Basic", "Basic ===", "Basic \xff"),
    *("Basic bWU6YTpi", "Basic bWU=", "user/id=3", "a" * 60 + "!"),
    *("a\nX-Planted: yes", "a\rX-Planted: yes", "a\r\n X-Planted: yes"),
    *("Mon, 01 Jan 2001 00:00:00 -0000", "Mon, 01 Jan 0000 00:00:00 GMT", "1e9", "0x10", "-1", "\xb2"),
)


def heads() -> Iterator[tuple[str, bytes, bool]]:
    """What is odd about it, the bytes, and whether an answer or an end is to be waited for a while."""
    yield from ((what, head, True) for what, head in WHOLE.items())
    for what, target in TARGETS.items():
        yield f"{what} as target", b"GET %b HTTP/1.1\r\n%b\r\n" % (target, HOST), True
    yield "an empty target", b"GET  HTTP/1.1\r\n" + HOST + b"\r\n", True
    yield from ((what, line + HOST + b"\r\n", True) for what, line in OTHERS.items())
    yield from ((what, head, False) for what, head in UNFINISHED.items())
    for what, target in AWAY.items():
        yield f"{what} as target", b"GET %b HTTP/1.1\r\n%b\r\n" % (target, HOST), True


def odd_heads(server: Server, leaves: leaving.Lines = leaving.LINES, alone: bool = False) -> None:
    """The odd ones leave before the next one comes: so it is the same for who serves one client at a time."""
    crowd = leaving.Crowd.of(server, leaves)
    server.did("one odd head after the other was sent, and after each another client asked")
    for what, head, answered in heads():
        story = (
            f"a client sent a head with {what} (`{excerpt(head, 60)}`), and another the same in two pieces; both left"
        )
        server.did(story, again=True)
        for cut in (0, len(head) // 2)[: 1 if "pieces" in server.verdicts.lost else 2]:
            odd = server.client()
            if cut:
                odd.send(head[:cut])
                server.settle(partial(server.has_read, odd))
            odd.send(head[cut:])
            server.settle(partial(heard, server, odd, answered))
            nothing_from_outside(server, odd)
            server.leave(odd)
        next_one(server, story)
    these = tuple(ways.served(f"sent a head with {what}", head) for what, head, answered in heads() if answered)
    crowd.is_as_before(these, 1 if alone else leaving.AT_ONCE)


def odd_values(server: Server) -> None:
    """Fields that a server may read, with what nobody should have written: it is as free to refuse them as to serve."""
    for value in VALUES:
        story = f"clients sent `{value}` as the value of {len(sum(FIELDS, ()))} header fields"
        for fields, target in (*((fields, "/page1.txt") for fields in FIELDS), (("Host", "Referer"), "/sub")):
            lines = (f"{field}: {value}" for field in fields)
            host = () if "Host" in fields else ("Host: kata.test",)
            head = "\r\n".join((f"GET {target} HTTP/1.1", *host, *lines, "", "")).encode("latin-1")
            server.did(f"{story}: {', '.join(fields)} now", again=True)
            odd = server.client()
            odd.send(head)
            server.settle(odd.done)
            nothing_from_outside(server, odd)
            server.leave(odd)
            if not odd.replies:
                next_one(server, server.told[-1])
        next_one(server, story)


def heard(server: Server, client: Client, answered: bool) -> bool:
    """Whether it has had what it gets. answered: it must get an answer, or the end."""
    return client.done() or (not answered and server.has_read(client))


def nothing_from_outside(server: Server, client: Client) -> None:
    came = [client.first_bytes, *(reply.body for reply in client.replies)]
    if any(server.root.secret in data for data in came):
        expected = "an answer without a byte from outside the root"
        server.fail(expected, "a file from outside the root was sent", clients=[client], look_at=questions.OUTSIDE)


def next_one(server: Server, story: str) -> None:
    server.did("then another client asked for /page2.txt")
    server.serves(server.ask("/page2.txt"), "/page2.txt", look_at=questions.NEXT_ALIVE)
    server.leave()
    server.departed.clear()  # nobody is judged by what is left of them here
    server.told[-2:] = [story]


#: What those of a round do who vanish: what they send, and how they leave.
VANISH = (
    (b"", Client.close),
    (request("/page1.txt")[:20], Client.reset),
    (request("/page1.txt"), Client.reset),
    (request("/nope.txt"), Client.reset),
)


#: Clients of the thousand after whom it has opened what it opens at first, and has its pools.
WARM = 60


TOGETHER = 30  # who leave while others stay
WAITS_FOR = request("/page3.txt")
#: What each few of the thousand ask for, and what they ask for in vain.
POPULAR, UNPOPULAR = "/popular.txt", "/unpopular.txt"


def thousand(
    server: Server,
    count: int = 1050,
    served: int = 5,
    leaves: leaving.Lines = leaving.LINES,
    alone: bool = False,
) -> None:
    """More clients than Python lets a function call itself, and than 10 bits count: some are served, some vanish.

    Those whom this server has had before count too. leaves: the lines that what is left of them costs.
    """
    began, crowd = time.monotonic(), None
    vanish = () if server.verdicts.lost & ways.LEFT else VANISH
    each, at_once = served + len(VANISH), 1 if alone else leaving.AT_ONCE
    first = min(server.had, count // 2)
    waiting = None if alone or "stalled" in server.verdicts.lost else one_who_waits(server)
    targets = (POPULAR, *(f"/page{place}.txt" for place in range(1, served - 1)), UNPOPULAR)
    with server.root.for_now(POPULAR, UNPOPULAR):
        server.root.add(POPULAR, b"as everybody knows it\n")
        for number in range(first, count, each):
            if crowd is None and number - first >= WARM:
                crowd = leaving.Crowd.of(server, leaves)
            if time.monotonic() - began > LONG_ENOUGH:
                server.notes.append(f"{count} clients in a row were to come; after {number} of them it was late")
                return
            server.did(
                f"{count} clients came, {each} at a time: number {number + 1} to {number + each} now", again=True
            )
            a_few(server, targets, vanish)
            server.departed.clear()  # a look at the sockets of all that have left would cost more than they do
        if waiting and time.monotonic() - began < PATIENT:
            still_served(server, waiting)
        changed_since(server)
    if crowd:
        crowd.leaves_nothing(ways.SERVED[0], at_once)
    if server.long:
        thousand_requests(server, count)


def while_one_is_silent(grading: Grading, *, alone: bool = False) -> None:
    """The same for a server of its own."""
    if not alone:
        with grading.started() as server:
            thousand(server)


def one_who_waits(server: Server) -> Client:
    """With half a request, which is the second one where connections are long."""
    server.did("a client sent part of a request, and stalled")
    client = server.client()
    if server.long:
        client.send(request("/page2.txt"))
        server.serves(client, "/page2.txt", look_at=questions.THOUSAND)
    client.send(WAITS_FOR[:20])
    server.settle(partial(server.has_read, client))
    return client


def still_served(server: Server, client: Client) -> None:
    server.did(f"{client.name} had come before them, sent part of a request, and was silent all the while")
    server.come_to_rest()
    if client.over():
        expected = f"{client.name} is not given up: it has been silent for less than a minute"
        saw = evidence.state_of(client, server.launch)
        server.fail(expected, saw, clients=[client], look_at=questions.BESIDE_MANY, costs="patience")
    else:
        server.did("then it ended its request")
        client.send(WAITS_FOR[20:])
        server.serves(client, "/page3.txt", look_at=questions.BESIDE_MANY)
    server.leave(client)


def a_few(
    server: Server,
    targets: tuple[str, ...],
    vanish: tuple[tuple[bytes, Callable[[Client], None]], ...],
) -> None:
    """Side by side: those who are served, but for one who asks in vain, and those who vanish."""
    some = [(server.client(wait=False), target) for target in targets]
    for client, target in some:
        client.send(request(target))
    for data, leave in vanish:
        client = server.client(wait=False)
        client.send(data)
        leave(client)
    for client, target in some:
        if target == UNPOPULAR:
            server.answers(client, (404,), "there is no such file", questions.THOUSAND)
        else:
            server.serves(client, target, look_at=questions.THOUSAND)
        server.leave(client)  # some wait for that, before they go on to the next


def changed_since(server: Server) -> None:
    """What so many have asked for is asked for once more, and is another file now; or there is one."""
    for target, verb in ((POPULAR, "changed"), (UNPOPULAR, "made")):
        server.did(f"{target}, which a hundred clients had asked for, was {verb} and asked for", again=True)
        server.root.add(target, f"{verb} while the server was running\n".encode())
        with server.at_the_cost_of("fresh_files"):
            server.serves(server.ask(target), target, look_at=questions.FRESH)
            server.leave()


def thousand_requests(server: Server, count: int, each: int = 100, together: int = 10) -> None:
    """The same over few connections. A server may close one after 100 answers."""
    crowd = one = None
    for begin in range(0, count, each):
        if begin == each:
            crowd = leaving.Crowd.of(server, leaving.LINES)
        client = server.client()
        for number in range(begin, begin + each, together):
            if number == begin + together and begin + each >= count:
                one = leaving.Crowd.of(server, leaving.LINES)
            what = f"{count} requests came, {each} on a connection and {together} at a time"
            server.did(f"{what}: these were number {number + 1} to {number + together}", again=number > 0)
            targets = [f"/page{place % 12}.txt" for place in range(number, number + together)]
            client.send(b"".join(map(request, targets)))
            for target in targets:
                server.serves(client, target, look_at=questions.THOUSAND)
        if one:
            leaving.one_for_long(server, one)
        server.leave()
        server.departed.clear()
    if crowd:
        crowd.leaves_nothing(ways.LONG_SERVED[1], at_once=leaving.DEAR)


def pipeline(server: Server, count: int = 1100) -> None:
    """More requests in one piece than one may call for the next out of: a server may close after 100 answers, or
    go on; who stays and does not answer has forgotten what is left."""
    if server.long:
        server.did(f"sent {count:,} requests in one piece, and took what came")
        client = server.client()
        client.send(request("/page1.txt") * count)
        server.must(
            lambda: client.over() or client.malformed or len(client.replies) >= count,
            f"{count:,} answers, or after a hundred the end of the connection",
            saw=lambda: f"{plural(len(client.replies), 'answer')}, and the connection stays open",
            clients=[client],
            look_at=questions.QUEUE,
            costs="pipelined",
        )
        server.leave()
        server.goes_on()


def beside_who_leaves(server: Server, *, alone: bool = False) -> None:
    """Whoever leaves, in whatever way, takes nothing with him that one who stays still needs. alone: nobody else is
    served meanwhile."""
    if alone:
        return
    lost = server.verdicts.lost
    some = [*ways.SERVED, *(() if lost & ways.LEFT else ways.VANISHED + ways.IN_ANSWER)]
    some = [way for way in some if not way.before_accepted and (not way.dear or way in ways.STUCK)]
    some = [way for way in some if way.head not in server.verdicts.unanswered]
    server.told = ["two stopped reading in mid-answer"]
    readers = clients.stuck_readers(server, 2)
    half = one_who_waits(server)
    server.did(f"others came, and left in {len(some)} ways; two of them in the middle of the same file")
    for at in range(0, len(some), TOGETHER):
        ways.side_by_side(server, some[at : at + TOGETHER])
        server.bury()
    server.did("then those who had stayed went on")
    for client in readers:
        client.open_window()
        server.serves(client, "/big.bin", look_at=questions.STAYS)
    half.send(WAITS_FOR[20:])
    server.serves(half, "/page3.txt", look_at=questions.STAYS)
    server.leave()


def output_closed(grading: Grading) -> None:
    """Stretch: the terminal goes, and the server stays."""
    with grading.started() as server:
        server.get("/page1.txt")
        server.settle(lambda: server.client_descriptors() == 0)
        server.did("nobody reads what the server prints any more: its output is a pipe, and the other end was closed")
        server.launch.output.hang_up()
        for head in (request("/page1.txt"), request("/nope.txt"), b"HELLO\r\n\r\n"):
            server.did(f"then a client sent `{excerpt(head)}`", again=head != request("/page1.txt"))
            client = server.client()
            client.send(head)
            server.settle(client.done)
            server.leave()
        for target in ("/page2.txt", "/page3.txt"):
            server.serves(server.ask(target), target, look_at=questions.OUTPUT)
            server.leave()


def none_to_be_had(grading: Grading) -> None:
    """Stretch, for steps 2 and 3: no process and no thread for a while, by RLIMIT_NPROC; setrlimit(2)."""
    if not os.geteuid():  # for root there is no such limit, fork(2): EAGAIN
        grading.notes.append("a machine without processes could not be tried: the kernel does not limit those of root")
        return
    with grading.started() as server:
        server.get("/page1.txt")
        server.settle(lambda: server.client_descriptors() == 0)
        server.did("the server may make no process and no thread (RLIMIT_NPROC); clients came, asked, and left")
        before = resource.prlimit(server.main, resource.RLIMIT_NPROC, (0, hard_limit(server)))
        for _ in range(4):
            client = server.ask("/page1.txt")
            server.settle(client.done)
            server.leave()
        server.did("then it might again")
        resource.prlimit(server.main, resource.RLIMIT_NPROC, before)
        server.serves(server.ask("/page2.txt"), "/page2.txt", look_at=questions.NONE_TO_BE_HAD)


def hard_limit(server: Server) -> int:
    return resource.prlimit(server.main, resource.RLIMIT_NPROC)[1]
