"""Questions and golden messages: each wrong server is told something, and every question is one."""

import re

import corpus
import messages
import pytest
from tools import STEPS

from grader import questions
from tests.checks import questions as of_checks

NO_QUESTIONS = ("SILENT_ENDS", "QUOTED", "ERROR", "LOOPS")


def texts(value):
    """All strings of a table, however deep."""
    if isinstance(value, str):
        return [value] if value else []
    return [text for each in value.values() for text in texts(each)]


def test_own_questions_come_before_common_ones():
    """A table is asked in its order; what it does not know is asked of the common ones; "" knows all."""
    table = {"a reset": "who reset it?", "": "why?"}
    assert questions.choose("client #1: not one byte came, then a reset", table) == "who reset it?"
    assert questions.choose("client #1 was answered 404", table) == "why?"
    del table[""]
    assert questions.choose("client #1 was answered 404", table) == questions.COMMON["was answered 404"]
    assert questions.choose("client #1 was answered 404", "whose?") == "whose?"
    assert questions.choose("nothing of the kind") == ""


def test_what_was_sent_chooses_no_question():
    """Words in the bytes that a server has sent say nothing of what is wrong with them."""
    head = r"b'HTTP/1.1 200 OK\nContent-Length: 47\nX: it\'s a reset\n\n'"
    asked = questions.choose(f"client #1: the stream ends in the middle of the head: {head}")
    assert asked == questions.COMMON["in the middle of the head"]


def test_the_end_of_the_server_comes_first():
    """Whatever a check is about: of a server that has ended or raised, that is what is asked about."""
    assert questions.choose("client #2 could not connect: refused", "why?") == questions.ENDED
    assert questions.choose("a reset; the server has ended", {"a reset": "why?"}) == questions.ENDED
    ended = "client #1: not one byte came, then the end of the stream"
    assert questions.choose(ended, "why?", raised=True) == questions.RAISED
    assert questions.choose(ended, "why?") == "why?"


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        ("KeyError: 5 (server.py line 9, in f)", questions.ERRORS["KeyError"]),
        ("ValueError: I/O operation on closed file (server.py line 9, in send)", questions.ERRORS["closed file"]),
        ("TypeError: a bytes-like object is required, not 'str'", questions.BYTES),
        ("TypeError: can't concat str to bytes", questions.BYTES),
        ("TypeError: startswith first arg must be str or a tuple of str, not bytes", questions.BYTES),
        ("TypeError: cannot use a string pattern on a bytes-like object", questions.BYTES),
        ("TypeError: Cannot mix str and non-str arguments", questions.BYTES),
        ("UnicodeDecodeError: 'utf-8' codec can't decode bytes in position 0-1", questions.ERRORS["Unicode"]),
        ("TypeError: 'NoneType' object is not iterable", questions.ERRORS["'NoneType'"]),
        ("ValueError: not enough values to unpack (expected 3, got 1)", questions.ERRORS["to unpack"]),
        ("ChildProcessError: [Errno 10] No child processes", questions.ERRORS["ChildProcessError"]),
        ("ConnectionResetError: [Errno 104] Connection reset by peer", questions.RAISED),
    ],
)
def test_an_error_is_asked_about(error, asked):
    """A slip in the code is not asked of the clients; what one of these may bring about is."""
    assert questions.choose(f"refused; it printed a traceback: {error}; the server has ended", raised=True) == asked


def test_what_tells_comes_before_the_check():
    """Bytes from elsewhere in the file, or a loop that goes on, say more than what the check is about."""
    assert "which byte" in questions.choose("byte 9 is another: x; what came there stands at byte 0", {"": "why?"})
    assert "which loop" in questions.choose(f"nobody has accepted it; {questions.LOOPS}", {"": "why?"})


@pytest.mark.parametrize("module", [questions, of_checks])
def test_each_question_asks(module):
    """It begins small, as the second half of a line does, and ends with a question mark."""
    names = [
        name for name in vars(module) if name.isupper() and name not in ("SILENT_ENDS", "QUOTED", "ERROR", "LOOPS")
    ]
    tables = [vars(module)[name] for name in names]
    for text in texts(dict(enumerate(tables))):
        assert re.fullmatch(r"[a-z].*\?", text), text


@pytest.mark.parametrize("step", STEPS)
def test_each_wrong_server_is_told(step):
    """Golden text has a section for each, and each says what was expected, what was seen, and asks."""
    kept = messages.golden(step)
    entries = corpus.entries("wrong", step)
    optional = {entry.path.stem for entry in entries if entry.note("Needs")}  # who made the text may not have had that
    assert kept.keys() - optional == {entry.path.stem for entry in entries} - optional
    for slug, text in kept.items():
        for label in ("breaks", "check", "did", "expected", "saw", "look at"):
            assert f"\n   {label:<9} " in text, f"{slug}: {label}"
