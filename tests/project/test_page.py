"""The page: whole by itself, and nothing in it that came of a submission is more than text."""

import re

import html5lib
import pytest

from grader.finding import Finding
from grader.record import FAILED, NOT_JUDGED, NOT_RUN, NOT_STARTED, PASSED, Check, Result, Story
from grader.report import page, waterfall

HOSTILE = (
    "<script>x</script><img src=x onerror=y>]]>--></style></title></details>\"'><a href='http://x'>{{ 7 * 7 }}"
    "{% raw %}\x00\x1b[31m\u202e\u2028\ud800\ufffe&lt;"
)
KNOWN = set(
    re.findall(
        r"\w+",
        "html head meta title style body main section h1 h2 p b em a code pre span div ul ol li dl dt dd figure "
        "figcaption details summary table thead tbody tr th td br",
    )
)


def story(words="GET / HTTP/1.1"):
    events = [
        (1.0, "client #1", "connecting", words),
        (1.1, "client #1", "connected", ""),
        (1.2, "client #1", "sent", words),
        (1.3, "client #2", "connecting", ""),
        (1.4, "client #2", "connected", ""),
        (1.5, "client #2", "asked", words),
        (1.6, "client #1", "asked", words),
        (1.7, "client #1", "received", words),
        (1.71, "client #1", "received", words),
        (1.8, "client #1", "replied", words),
        (1.9, "client #1", "ended", "end of stream"),
        (2.0, "client #2", "closed", ""),
    ]
    sights = [(1.25, [f"main process 7: recvfrom, {words}"]), (1.65, [f"main process 7: accept4, {words}"])]
    return Story(1.0, 2.5, [words], events, sights, left_out=3)


def result(words):
    """Every outcome there is, with these words wherever a submission's may stand."""
    finding = Finding(words, words, [words], words, [words] * 3, words, 3, words, words, words * 20)
    checks = [
        Check(
            f"c{n}",
            "a title",
            10,
            outcome=outcome,
            reason=words,
            finding=finding,
            notes=[words],
            stories=[story(words)],
        )
        for n, outcome in enumerate((PASSED, FAILED, NOT_STARTED, NOT_RUN, NOT_JUDGED, FAILED))
    ]
    return Result("01_blocking", words, words, "0" * 64, "2026-01-01T00:00:00Z", checks, words)


@pytest.mark.parametrize("words", ["plain", HOSTILE])
def test_nothing_but_text(words):
    """The elements and attributes of the page are the template's, whatever a submission says."""
    text = page.render([result(words), Result("02_multiprocess", words, error=words)])
    parser = html5lib.HTMLParser(strict=False, namespaceHTMLElements=False)
    tree = parser.parse(text)
    problems = [code for _, code, _ in parser.errors]
    assert not problems, problems
    elements = list(tree.iter())
    assert {element.tag for element in elements if isinstance(element.tag, str)} <= KNOWN
    for element in elements:
        assert set(element.attrib) <= {
            *("lang", "charset", "http-equiv", "content", "name", "class", "id", "open", "href", "style", "title"),
            *("role", "aria-label"),
        }
        assert element.get("href", "#").startswith("#")
        assert re.fullmatch(r"(left:[\d.]+%;?)?(width:[\d.]+%)?", element.get("style", ""))
    plain = page.render([result("plain"), Result("02_multiprocess", "plain", error="plain")])
    count = len(list(html5lib.parse(plain, namespaceHTMLElements=False).iter()))
    assert len(elements) == count
    assert "7 * 7" in text or words == "plain"
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u202e\ud800-\udfff]", text)


def test_asks_for_nothing():
    """No address, no script, no style sheet from outside, and a policy that forbids them."""
    text = page.render([result("plain")])
    assert not re.search(r"https?://|\bsrc=|url\(|@import|<script|<link|<iframe", text)
    assert "default-src 'none'; style-src 'unsafe-inline'" in text


def test_says_what_there_is():
    """Score, next, failures with their parts, the same as a list, what is left out."""
    text = page.render([result("these words")])
    assert "10 of 100 points" in text and "Next:" in text
    for label in ("did", "expected", "saw", "known", "stood", "likely", "printed", "by hand", "look at"):
        assert f"<dt>{label}</dt>" in text
    assert "3 more clients are not drawn" in text and "The same as a list" in text


def test_waterfall():
    """Spans follow one another from the left, never over the edge, and say what each client was in."""
    picture = waterfall.draw(story())
    first, second = picture.clients
    assert [span.kind for span in first.spans] == ["connecting", "stalled", "waiting", "receiving", "answered", "ended"]
    assert [span.kind for span in second.spans] == ["connecting", "stalled", "waiting"]
    assert [span.words for span in picture.server[0].spans] == ["recvfrom, GET / HTTP/1.1", "accept4, GET / HTTP/1.1"]
    for row in (*picture.clients, *picture.server):
        for span in row.spans:
            assert 0 <= span.left <= 100 and span.width > 0 and span.left + span.width <= 100.1
        for before, after in zip(row.spans, row.spans[1:], strict=False):
            assert after.left == pytest.approx(before.left + before.width, abs=0.05)
    assert second.marks[-1][1] == "closed"


def test_who_stops_reading():
    """A client that does not read is drawn so until it reads on."""
    events = [(0.1 * n, "c", what, "") for n, what in enumerate(
        ("connecting", "connected", "stops reading", "asked", "reads on", "received", "replied"))]  # fmt: skip
    picture = waterfall.draw(Story(0.0, 1.0, events=events))
    kinds = [span.kind for span in picture.clients[0].spans]
    assert kinds == ["connecting", "stalled", "not reading", "receiving", "answered"]


def test_empty_stories():
    """A story in which nothing happened, and one of a single moment, are drawn too."""
    assert waterfall.draw(Story(1.0, 1.0)).clients == []
    assert waterfall.draw(Story(1.0, 1.0, events=[(1.0, "c", "connecting", "")])).clients[0].name == "c"
