"""The rules of HTTP on made-up exchanges, right and wrong, without any server."""

import gzip
import zlib
from dataclasses import dataclass

import pytest

from grader.client import request
from grader.contract import Exchange, judge, plausible, unpacked
from grader.reply import Malformed, ReplyReader

PAGE = b"the page\n"


@dataclass(frozen=True)
class Wanted:
    statuses: tuple[int, ...]
    bodies: tuple[bytes, ...]
    kind: str
    why: str = "so it is"


KNOWN = {
    b"/page": Wanted((200,), (PAGE,), "plain"),
    b"/": Wanted((200,), (PAGE,), "folder"),
    b"/big": Wanted((200,), (PAGE,), "large"),
    b"/%70age": Wanted((200,), (PAGE,), "name"),
    b"/page?x": Wanted((200,), (PAGE,), "query"),
    b"/sub": Wanted((301, 404), (), "no slash"),
    b"/a/../page": Wanted((200, 404), (PAGE,), "wander"),
    b"/../secret": Wanted((404,), (), "outside"),
    b"/link": Wanted((404,), (), "link"),
    b"/inside": Wanted((200,), (PAGE,), "inside link"),
    b"/changed": Wanted((200,), (b"old\n", b"new\n"), "fresh"),
    b"//[": Wanted((), (), "odd"),
    b"*": Wanted((), (), "odd"),
}


class Site:
    """A page, its kinds by name, and a secret."""

    def wanted(self, target, since=0.0):
        return KNOWN.get(target, Wanted((404,), (), "missing"))

    def leaks(self, data):
        return b"secret" in data

    def holds(self, data):
        return any(data in wanted.bodies for wanted in KNOWN.values())


def reply(status=200, body=PAGE, *fields, version="1.1", length=True):
    lines = [f"HTTP/{version} {status} so", *fields, *[f"Content-Length: {len(body)}"] * length]
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode("latin-1") + body


NOPE = reply(404, b"Not Found")


def seen(sent, came, *, long=False, ended="end of stream", **more):
    """An exchange out of what was sent and the bytes that came."""
    reader, malformed = ReplyReader(), ""
    try:
        for data in (came, *[b""] * (ended == "end of stream")):
            reader.feed(data)
    except Malformed as error:
        malformed = str(error)
    return Exchange(
        sent, tuple(reader.replies), long, Site(), malformed=malformed, ended=ended, pending=reader.pending, **more
    )


def broken(*arguments, **more):
    return [(violation.rule, violation.line) for violation in judge(seen(*arguments, **more))]


GET = request("/page")
CLOSE = request("/page", headers=("Connection: close",))
LONG = {"long": True, "ended": ""}

RIGHT = {
    "a page": (GET, reply(), {}),
    "without a length": (GET, reply(length=False), {}),
    "chunked": (GET, reply(200, b"9\r\nthe page\n\r\n0\r\n\r\n", "Transfer-Encoding: chunked", length=False), {}),
    "packed, as was asked for": (
        request("/page", headers=("Accept-Encoding: br;q=0, gzip",)),
        reply(200, gzip.compress(PAGE), "Content-Encoding: gzip"),
        {},
    ),
    "packed in a way that we cannot undo": (
        request("/page", headers=("Accept-Encoding: *",)),
        reply(200, b"what?", "Content-Encoding: br"),
        {},
    ),
    "a Host that is none, refused": (b'GET /page HTTP/1.1\r\nHost: "\r\n\r\n', reply(400, b"whose?"), {}),
    "a Host of a hyphen, refused": (b"GET /page HTTP/1.1\r\nHost: -\r\n\r\n", reply(400, b"whose?"), {}),
    "a port beyond all, refused": (b"GET /page HTTP/1.1\r\nHost: a:65536\r\n\r\n", reply(400, b"whose?"), {}),
    "an address of too much, refused": (b"GET /page HTTP/1.1\r\nHost: [1:::1]\r\n\r\n", reply(400, b"whose?"), {}),
    "announced": (GET, b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + reply(), {}),
    "missing": (request("/nope"), NOPE, {}),
    "missing, as a page": (request("/nope"), reply(404, b"<html><body><h1>nix da</h1></body></html>"), {}),
    "missing, in Chinese": (request("/nope"), reply(404, "找不到".encode()), {}),
    "a folder": (request("/sub"), reply(301, b"", "Location: /sub/"), {}),
    "a path that wanders": (request("/a/../page"), NOPE, {}),
    "as it was, or is": (request("/changed"), reply(200, b"old\n"), {}),
    "another method": (request("/page", method="DELETE"), reply(501, b"no"), {}),
    "no HTTP, closed": (b"HELLO\r\n\r\n", b"", {}),
    "no HTTP, told": (b"HELLO\r\n\r\n", reply(400, b"what?"), {}),
    "reset in mid-answer, with more unread": (GET + GET, reply()[:-3], {"ended": "reset"}),
    "an empty method": (b" /page HTTP/1.1\r\nHost: a\r\n\r\n", reply(405, b"what?"), {}),
    "a method that is no word": (b"G\xcbT /page HTTP/1.1\r\nHost: a\r\n\r\n", reply(501, b"what?"), {}),
    "closed by the second, the third unread": (
        GET + CLOSE + GET,
        b"",
        {"long": True, "ended": "reset"},
    ),
    "a method left out": (b" /page HTTP/1.1\r\nHost: a\r\n\r\n", reply(405, b"what?"), {}),
    "a blank line alone": (b"\r\n\r\n", reply(404, b"what?"), {}),
    "any answer": (request("//["), reply(404, b""), {}),
    "small letters": (request("/page", method="get"), reply(400, b"what?"), {}),
    "without Host": (b"GET /page HTTP/1.1\r\n\r\n", reply(400, b"whose?"), {}),
    "asterisk": (request("*"), reply(404, b"no"), {}),
    "a range": (request("/page", headers=("Range: bytes=0-1",)), reply(206, b"th"), {}),
    "silence": (b"", b"", {"ended": ""}),
    "silence for a minute": (GET[:9], b"", {"idle": 61.0}),
    "half a head for a minute, and told so": (GET[:9], reply(408, b"too late"), {"idle": 61.0}),
    "half of a second head, and told so": (GET + GET[:9], reply() + reply(408, b"late"), {"long": True, "idle": 61.0}),
    "a stated limit, and told so": (
        GET,
        reply(200, PAGE, "Keep-Alive: timeout=5") + reply(408, b"too late"),
        {"long": True, "idle": 5.2},
    ),
    "half a head and half-closed": (GET[:9], b"", {"half_closed": True}),
    "a head that cannot become one": (b"\x16\x03\x01", b"", {}),
    "more behind, and a reset": (GET + GET, reply(), {"ended": "reset"}),
    "a long head refused": (request("/page", headers=("X: " + "x" * 9000,)), reply(431, b"too long"), {}),
    "stays open": (GET, reply(), LONG),
    "stays open after 404": (request("/nope") + GET, NOPE + reply(), LONG),
    "asked to close": (CLOSE, reply(), {"long": True}),
    "closed, and more behind": (CLOSE + GET, reply(), {"long": True, "ended": "reset"}),
    "HTTP/1.0": (request("/page", version="1.0"), reply(), {"long": True}),
    "HTTP/1.0, kept": (request("/page", version="1.0", headers=("Connection: keep-alive",)), reply(), LONG),
    "HTTP/1.0, not kept": (
        request("/page", version="1.0", headers=("Connection: keep-alive",)),
        reply(),
        {"long": True},
    ),
    "HTTP/1.0 refused, and no plain file": (request("/../secret", version="1.0"), reply(400, b"no"), {}),
    "Keep-Alive": (request("/page", headers=("Connection: Keep-Alive",)), reply(), LONG),
    "the words elsewhere": (request("/page", headers=("X: Connection: close",)), reply(), LONG),
    "closes after another method": (request("/page", method="PUT"), reply(405, b"no"), {"long": True}),
    "a stated limit": (GET, reply(200, PAGE, "Keep-Alive: timeout=5"), {"long": True, "idle": 5.2}),
    "a hundred and out": (GET * 101, reply() * 100, {"long": True}),
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_keeps_the_rules(name):
    sent, came, more = RIGHT[name]
    assert broken(sent, came, **more) == []


WRONG = {
    ("status", "contents"): (GET, NOPE, {}),
    ("body", "contents"): (GET, reply(200, b"another page"), {}),
    ("body", "large_file"): (request("/big"), reply(200, PAGE[:-1]), {}),
    ("status", "names"): (request("/%70age"), NOPE, {}),
    ("body", "queries"): (request("/page?x"), reply(200, b"x"), {}),
    ("status", "folders"): (request("/"), NOPE, {}),
    ("status", "missing"): (request("/nope"), reply(403, b"Forbidden"), {}),
    ("readable", "missing"): (request("/nope"), reply(404, b"<html> </html>"), {}),
    ("status", "outside"): (request("/../secret"), reply(403, b"Forbidden"), {}),
    ("status", "links"): (request("/inside"), NOPE, {}),
    ("body", "wandering"): (request("/a/../page"), reply(200, b"index"), {}),
    ("body", "fresh_files"): (request("/changed"), reply(200, b"older\n"), {}),
    ("status", "other_methods"): (request("/page", method="DELETE"), reply(), {}),
    ("status", "junk"): (b"HELLO\r\n\r\n", NOPE, {}),
    ("answered", "contents"): (GET, b"", {}),
    ("one answer", "end_of_stream"): (GET + GET, reply() * 2, {}),
    ("ends", "end_of_stream"): (GET, reply(), {"ended": "", "over": True}),
    ("one answer", "strict"): (GET, reply() * 2, LONG),
    ("early", "pieces"): (GET[:-2], reply(), LONG),
    ("patience", "patience"): (GET[:9], b"", {"ended": "reset"}),
    ("planted", "strict"): (
        request("/nope%0d%0aX-Planted:%20yes"),
        reply(404, b"Not Found", "X-Planted: yes"),
        {},
    ),
    ("coding", "strict"): (
        request("/page", version="1.0"),
        reply(200, b"9\r\nthe page\n\r\n0\r\n\r\n", "Transfer-Encoding: chunked", length=False),
        {},
    ),
    ("interim", "strict"): (request("/page", version="1.0"), b"HTTP/1.1 103 so\r\n\r\n" + reply(), {}),
    ("length", "lengths"): (
        GET,
        reply(200, b"9\r\nthe page\n\r\n0\r\n\r\n", "Transfer-Encoding: chunked", length=False),
        LONG,
    ),
    ("last answer", "asked_to_close"): (CLOSE + GET, reply() * 2, LONG),
    ("last answer", "http10"): (request("/page", version="1.0") + GET, reply() * 2, LONG),
    ("ends", "asked_to_close"): (CLOSE, reply(), {**LONG, "over": True}),
    ("ends", "http10"): (request("/page", version="1.0"), reply(), {**LONG, "over": True}),
    ("answered behind", "pipelined"): (
        request("/page", method="DELETE") + GET,
        reply(501, b"no"),
        {**LONG, "over": True},
    ),
    ("stays", "hundred"): (request("/nope"), NOPE, {"long": True}),
    ("stays", "not_asked_to_close"): (request("/page", headers=("Connection: Keep-Alive",)), reply(), {"long": True}),
}


@pytest.mark.parametrize("rule", WRONG, ids=" of ".join)
def test_what_breaks_a_rule_costs_its_line(rule):
    sent, came, more = WRONG[rule]
    assert broken(sent, came, **more) == [rule]


MORE_WRONG = (
    (("nothing from outside", "outside"), request("/../secret"), reply(404, b"the secret is"), {}),
    (("nothing from outside", "outside"), request("*"), reply(200, b"the secret is"), {}),
    (("nothing from outside", "links"), request("/link"), reply(404, b"the secret is"), {}),
    (("parse", "strict"), GET, b"HTTP/1.1 200 OK\nContent-Length: 9\n\n" + PAGE, {}),
    (("surplus", "strict"), GET, reply() + b"\r\n", {}),
    (("parse", "strict"), GET, reply(200, PAGE, "Content-Length: 9"), {}),
    (("parse", "strict"), GET, reply(200, PAGE, "Content-Length: 12", length=False), {}),
    (("parse", "strict"), request("/nope"), NOPE[:-1], {}),
    (("body", "contents"), GET, reply()[:-1], {}),
    (("body", "contents"), GET, reply(200, PAGE, "Content-Encoding: gzip"), {}),
    (
        ("body", "contents"),
        request("/page", headers=("Accept-Encoding: gzip;q=0, br",)),
        reply(200, gzip.compress(PAGE), "Content-Encoding: gzip"),
        {},
    ),
    (
        ("body", "contents"),
        request("/page", headers=("Accept-Encoding: gzip",)),
        reply(200, gzip.compress(PAGE[:-1]), "Content-Encoding: gzip"),
        {},
    ),
    (("status", "contents"), b"GET /page HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", NOPE, {}),
    (("status", "contents"), b"GET /page HTTP/1.1\r\nHost:  a_b-c.d.:65535 \r\n\r\n", NOPE, {}),
    (("ends", "end_of_stream"), GET, reply(), {"ended": "reset"}),
    (("answered", "contents"), GET, reply()[:-3], {"ended": "reset"}),
    (("answered", "long_head"), request("/page", headers=("X: " + "x" * 4000,)), b"", {}),
    (("answered", "missing"), request("/" + "x" * 4000), b"", {}),
    (("ends", "asked_to_close"), CLOSE, reply(), {"long": True, "ended": "reset"}),
    (("patience", "patience"), b"", b"", {"ended": "end of stream"}),
    (("patience", "patience"), GET + GET[:9], reply(), {"long": True, "idle": 9.0}),
    (("last answer", "asked_to_close"), request("/nope", headers=("CONNECTION: CLOSE",)) + GET, NOPE + reply(), LONG),
    (("answered", "contents"), GET + GET, reply(), {"long": True}),
    (("stays", "hundred"), GET, reply(200, PAGE, "Keep-Alive: timeout=5"), {"long": True, "idle": 1.0}),
    (("status", "names"), GET + request("/%70age"), reply() + NOPE, LONG),
    (("status", "long_head"), request("/nope"), reply(414, b"too long"), {}),
    (("status", "long_head"), request("/page", headers=("X: " + "x" * 4000,)), reply(431, b"too long"), {}),
    (("status", "strict"), request("/page", version="1.0"), reply(505, b"too old"), {}),
    (("status", "http10"), request("/page", version="1.0"), reply(400, b"too old"), {"long": True}),
    (("status", "contents"), request("/page", version="1.0"), NOPE, {}),
    (("status", "outside"), request("/../secret"), reply(400, b"no"), {}),
)


@pytest.mark.parametrize(("rule", "sent", "came", "more"), MORE_WRONG)
def test_the_same_rules_in_other_words(rule, sent, came, more):
    assert broken(sent, came, **more) == [rule]


def test_what_is_known_is_not_told_again():
    exchange = seen(GET + GET, NOPE + reply(), **LONG)
    assert judge(exchange)
    assert not judge(exchange, 1)


def test_which_request_a_breach_is_about():
    violation, *_ = judge(seen(GET + request("/nope") + GET, reply() + reply() + reply(), **LONG))
    assert (violation.rule, violation.number) == ("status", 1)


@pytest.mark.parametrize(
    ("rest", "may"),
    [
        (b"", True),
        (b"G", True),
        (b"GET ", True),
        (b"GET /x HTTP/1.1\r\nHo", True),
        (b"HELLO", False),
        (b"GET\r\n", False),
    ],
)
def test_what_may_become_a_request(rest, may):
    assert plausible(rest) == may


def test_unpacked():
    """A packing is whole, nothing follows it, and gzip may come in several members."""
    packed = gzip.compress(PAGE)
    assert unpacked(packed, "gzip") == (PAGE, "")
    assert unpacked(packed * 3 + b"\0\0", "gzip") == (PAGE * 3, "")
    assert unpacked(zlib.compress(PAGE), "deflate") == (PAGE, "")
    assert unpacked(b"", "gzip") == (b"", "")
    for body, words in {
        packed[:-8]: "come to its end",
        packed + b"\n": "1 bytes more",
        packed[:-8] + b"12345678": "incorrect data check",
        gzip.compress(b"") * 20_000: "bytes more",
    }.items():
        assert words in unpacked(body, "gzip")[1]
