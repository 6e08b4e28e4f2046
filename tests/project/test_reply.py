"""Bytes of an answer to what the grader makes of them: whole, byte by byte, and with more behind."""

import random

import pytest

from grader.reply import MAX_HEAD, Malformed, ReplyReader, difference

OK = b"HTTP/1.1 200 OK\r\n"
END = None  # in a stream: its end


def read(stream, size=None):
    """Feed a stream in pieces of `size` bytes. Returns the reader and the text of Malformed, if any."""
    reader = ReplyReader()
    try:
        for part in stream:
            if part is END:
                reader.feed(b"")
                continue
            for at in range(0, len(part), size or len(part)):
                reader.feed(part[at : at + (size or len(part))])
    except Malformed as error:
        return reader, str(error)
    return reader, ""


def short(reply):
    return reply.status, reply.body, reply.length


BY_LENGTH = {
    "a length": (OK + b"Content-Length: 2\r\n\r\nok", (200, b"ok", 2)),
    "nothing": (OK + b"Content-Length: 0\r\n\r\n", (200, b"", 0)),
    "letter case": (OK + b"cOnTeNt-lEnGtH: 2\r\n\r\nok", (200, b"ok", 2)),
    "white space": (OK + b"Content-Length: \t 2 \t\r\n\r\nok", (200, b"ok", 2)),
    "none around": (OK + b"Content-Length:2\r\n\r\nok", (200, b"ok", 2)),
    "no phrase": (b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok", (200, b"ok", 2)),
    "nor space": (b"HTTP/1.1 404\r\nContent-Length: 2\r\n\r\nno", (404, b"no", 2)),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", (200, b"ok", 2)),
    "an odd phrase": (b"HTTP/1.1 404 d\xe9sol\xe9 (no!)\r\nContent-Length: 2\r\n\r\nno", (404, b"no", 2)),
    "blank lines in the body": (OK + b"Content-Length: 8\r\n\r\n\r\n\r\nHTTP", (200, b"\r\n\r\nHTTP", 8)),
    "an answer in the body": (OK + b"Content-Length: 19\r\n\r\n" + OK + b"\r\n", (200, OK + b"\r\n", 19)),
    "every byte": (OK + b"Content-Length: 256\r\n\r\n" + bytes(range(256)), (200, bytes(range(256)), 256)),
    "chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n1\r\n!\r\n0\r\n\r\n", (200, b"ok!", None)),
    "chunks with trailers": (
        OK + b"Transfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\nX: y\r\n\r\n",
        (200, b"ok", None),
    ),
    "many headers": (OK + b"X: y\r\n" * 50 + b"Content-Length: 2\r\n\r\nok", (200, b"ok", 2)),
    "very many headers": (OK + b"X: y\r\n" * 300 + b"Content-Length: 2\r\n\r\nok", (200, b"ok", 2)),
    "a long line": (OK + b"X: " + b"y" * 6000 + b"\r\nContent-Length: 2\r\n\r\nok", (200, b"ok", 2)),
    "zeros before": (OK + b"Content-Length: 0000000002\r\n\r\nok", (200, b"ok", 2)),
    "an empty value": (OK + b"X:\r\nContent-Length: 2\r\n\r\nok", (200, b"ok", 2)),
    "304": (b"HTTP/1.1 304 Not Modified\r\n\r\n", (304, b"", None)),
}
BY_END = {
    "no header": (OK + b"\r\nok", (200, b"ok", None)),
    "no body": (OK + b"\r\n", (200, b"", None)),
    "a close": (OK + b"Connection: close\r\n\r\nok\r\n", (200, b"ok\r\n", None)),
    "HTTP/1.0 without a length": (b"HTTP/1.0 404 no\r\nServer: x\r\n\r\nno", (404, b"no", None)),
    "what looks like another": (OK + b"\r\n" + OK + b"\r\n", (200, OK + b"\r\n", None)),
}


@pytest.mark.parametrize("size", [None, 1, 3])
@pytest.mark.parametrize("name", BY_LENGTH)
def test_framed(name, size):
    """An answer that says its length is complete with its last byte, and the bytes behind it are left alone."""
    data, wanted = BY_LENGTH[name]
    reader, error = read([data], size)
    assert error == "" and [short(reply) for reply in reader.replies] == [wanted] and not reader.pending
    assert reader.replies[0].size == len(data)
    assert reader.replies[0].head == data[: data.index(b"\r\n\r\n") + 4]
    reader, error = read([data, data, END], size)
    assert error == "" and [short(reply) for reply in reader.replies] == [wanted, wanted] and not reader.pending
    reader, error = read([data, b"HTTP/1."], size)
    assert error == "" and len(reader.replies) == 1 and reader.pending


@pytest.mark.parametrize("size", [None, 1, 3])
@pytest.mark.parametrize("name", [name for name in BY_LENGTH if name != "304"])
def test_incomplete(name, size):
    """Without its last byte no answer is complete, and then the end of the stream is an error."""
    data, _ = BY_LENGTH[name]
    reader, error = read([data[:-1]], size)
    assert error == "" and reader.replies == [] and reader.pending
    reader, error = read([data[:-1], END], size)
    assert error and reader.replies == []


@pytest.mark.parametrize("size", [None, 1, 3])
@pytest.mark.parametrize("name", BY_END)
def test_framed_by_the_end(name, size):
    """An answer that says no length is complete when the stream ends, not before."""
    data, wanted = BY_END[name]
    reader, error = read([data], size)
    assert error == "" and reader.replies == [] and reader.pending
    reader, error = read([data, END], size)
    assert error == "" and [short(reply) for reply in reader.replies] == [wanted] and not reader.pending


@pytest.mark.parametrize("size", [None, 1, 3])
@pytest.mark.parametrize(
    "interim",
    [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 102\r\n\r\n" * 500, b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n"],
)
def test_what_only_announces_an_answer(interim, size):
    """Interim answers are passed over, however many; the answer behind them is read as strictly as any."""
    answer = OK + b"Content-Length: 2\r\n\r\nok"
    reader, error = read([interim + answer + interim], size)
    assert error == "" and [short(reply) for reply in reader.replies] == [(200, b"ok", 2)] and not reader.pending
    assert reader.replies[0].head == answer[:-2]
    assert "Content-Length has 5000 digits" in read([interim + OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n"])[1]
    assert "is b'HTTP/1.1 200OK'" in read([interim + b"HTTP/1.1 200OK\r\n\r\n"])[1]
    assert "the stream ends in the middle of the head" in read([interim[:-1], END])[1]


MALFORMED = {
    "junk": ([b"hello\r\n\r\n"], "the answer begins with "),
    "HTTP/2": ([b"HTTP/2 200\r\n\r\n"], "the answer begins with "),
    "HTTP/0.9": ([b"<html>"], "the answer begins with "),
    "a blank line first": ([b"\r\n" + OK + b"\r\n"], "the answer begins with "),
    "HTTP/1.2": ([b"HTTP/1.2 200 OK\r\n\r\n"], "the status line is b'HTTP/1.2 200 OK', not"),
    "a status of two digits": ([b"HTTP/1.1 20 OK\r\n\r\n"], "the status line is b'HTTP/1.1 20 OK', not"),
    "a status of four digits": ([b"HTTP/1.1 2000 OK\r\n\r\n"], "the status line is b'HTTP/1.1 2000 OK', not"),
    "status 600": ([b"HTTP/1.1 600 OK\r\n\r\n"], "the status line is b'HTTP/1.1 600 OK', not"),
    "no status": ([b"HTTP/1.1 OK\r\n\r\n"], "the status line is b'HTTP/1.1 OK', not"),
    "two spaces": ([b"HTTP/1.1  200 OK\r\n\r\n"], "the status line is b'HTTP/1.1  200 OK', not"),
    "a bare LF": (
        [OK + b"X: y\nContent-Length: 2\r\n\r\nok"],
        "a header line does not end in CR LF: b'X: y\\nContent-Length: 2' (RFC 9112, section 2.2)",
    ),
    "a bare CR": (
        [OK + b"X: y\rZ: 1\r\n\r\n"],
        "a header line does not end in CR LF: b'X: y\\rZ: 1' (RFC 9112, section 2.2)",
    ),
    "LF only": ([b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", END], "the stream ends in the middle of the head: "),
    "two lengths": ([OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok"], "there are two Content-Length lines"),
    "the same twice": (
        [OK + b"Content-Length: 2\r\nContent-length: 2\r\n\r\nok"],
        "there are two Content-Length lines",
    ),
    "two framings": (
        [OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"],
        "both Content-Length and Transfer-Encoding are there (RFC 9112, section 6.2)",
    ),
    "a negative length": ([OK + b"Content-Length: -1\r\n\r\n"], "the answer is not HTTP: "),
    "a length in words": ([OK + b"Content-Length: two\r\n\r\nok"], "the answer is not HTTP: "),
    "a list of lengths": ([OK + b"Content-Length: 2, 3\r\n\r\nok"], "the answer is not HTTP: "),
    "a space before the colon": ([OK + b"Content-Length : 2\r\n\r\nok"], "the answer is not HTTP: "),
    "a header without a colon": ([OK + b"Content-Length 2\r\n\r\nok"], "the answer is not HTTP: "),
    "a header without a name": ([OK + b": 2\r\n\r\nok"], "the answer is not HTTP: "),
    "a NUL in a value": ([OK + b"X: a\0b\r\n\r\nok"], "the answer is not HTTP: "),
    "a bad chunk": ([OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\nok\r\n"], "the answer is not HTTP: "),
    "a body that is too short": (
        [OK + b"Content-Length: 9\r\n\r\nfour", END],
        "Content-Length says 9 bytes, and the stream ends after 4",
    ),
    "no body at all": (
        [OK + b"Content-Length: 9\r\n\r\n", END],
        "Content-Length says 9 bytes, and the stream ends after 0",
    ),
    "half a head": ([OK + b"Content-Le", END], "the stream ends in the middle of the head: "),
    "half a word": ([b"HTT", END], "the stream ends in the middle of the head: b'HTT'"),
    "a body that is too long": (
        [OK + b"Content-Length: 2\r\n\r\nok and more"],
        "after the end of the answer, as its length says, came b' and more'",
    ),
    "an endless head": ([OK + b"X: y\r\n" * 24000], f"no blank line (CR LF CR LF) in the first {MAX_HEAD} bytes"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(name):
    """Each rule that an answer breaks has its own words, the same in one piece and byte by byte."""
    stream, words = MALFORMED[name]
    reader, error = read(stream)
    assert error.startswith(words), error
    complete = 1 if name == "a body that is too long" else 0
    assert len(reader.replies) == complete
    reader, bytewise = read(stream, 1 if len(stream[0]) < 1000 else 100)
    assert len(reader.replies) == complete
    shown = ("the answer begins", "after the end", "no blank line")  # these name what had come by then
    assert bytewise == error or any(bytewise.startswith(word) and error.startswith(word) for word in shown)


@pytest.mark.parametrize(
    "name", [name for name in MALFORMED if END not in MALFORMED[name][0] and name != "an endless head"]
)
def test_malformed_with_more_behind(name):
    """What comes behind a broken answer does not mend it."""
    stream, words = MALFORMED[name]
    _, error = read([stream[0] + BY_LENGTH["a length"][0], END])
    assert error.startswith(words.split("b'")[0]), error


def test_end_of_nothing():
    """A stream that ends before a byte has come, or between two answers, is no broken answer."""
    reader, error = read([END])
    assert error == "" and reader.replies == [] and not reader.pending
    reader, error = read([BY_LENGTH["a length"][0], END, END])
    assert error == "" and len(reader.replies) == 1


def test_values():
    """Header names in any letter case, and `close` among the options of Connection, in any case."""
    said = {b"close": True, b"Close": True, b"keep-alive, CLOSE": True, b"x,close ,y": True}
    said |= {b"closed": False, b"keep-alive": False, b"not close": False, b"": False}
    for value, closes in said.items():
        reader, error = read([OK + b"Connection: " + value + b"\r\nContent-Length: 0\r\n\r\n"])
        assert error == "" and reader.replies[0].says_close == closes, value
    reader, _ = read(
        [OK + b"CONNECTION: keep-alive\r\nconnection: close\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 0\r\n\r\n"]
    )
    assert reader.replies[0].says_close and reader.replies[0].values("x-a") == ["1", "2"]


def test_informational_answers():
    """A 100 Continue before the answer is not the answer."""
    reader, error = read([b"HTTP/1.1 100 Continue\r\n\r\n" + BY_LENGTH["a length"][0]])
    assert error == "" and [reply.status for reply in reader.replies] == [200]


def test_big_body_in_small_pieces():
    """A body of a megabyte in pieces of 1,000 bytes is put together right."""
    body = bytes(range(256)) * 4096
    reader, error = read([OK + b"Content-Length: %d\r\n\r\n" % len(body) + body], 1000)
    assert error == "" and reader.replies[0].body == body


def test_body_so_far():
    """How much of a body has come is known before it is complete."""
    reader, _ = read([OK + b"Content-Length: 100\r\n\r\n" + b"x" * 40])
    assert reader.body_size == 40 and reader.pending


def test_bytes_from_elsewhere():
    """Where the bytes stand that came in the place of others is told if it is one place, and nothing else has it."""
    wanted = random.Random(8).randbytes(5000)
    assert "stands at byte 0 of the file" in difference(wanted[:3000] + wanted[:2000], wanted)
    for other in (bytes(2000), random.Random(9).randbytes(2000), b"xy" * 1000):
        assert "stands at byte" not in difference(wanted[:3000] + other, wanted)
    twice = wanted + wanted
    assert "stands at byte" not in difference(b"!" * 50 + twice[:100], twice)
