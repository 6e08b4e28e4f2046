"""The page and its pictures: nothing of a submission is more than text in it, and what is drawn is what happened."""

import importlib
import os
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import models
import pytest
import tools
from tools import REPOSITORY, STEPS, grade, solution, submission

from grader.client import MOST_EVENTS, Event, request
from grader.finding import Finding
from grader.record import FAILED, FULL, NOT_JUDGED, NOT_RUN, NOT_STARTED, PASSED, Check, Result, Story
from grader.report import page
from grader.report.axis import Axis, duration
from grader.report.picture import MARKS, SPANS, client_row, picture
from grader.sights import MOST_SIGHTS, Sights
from grader.story import FIRST, LAST, Cast, tell

pytestmark = pytest.mark.usefixtures("temporary")

STYLE = (Path(page.__file__).parent / "templates" / "style.css").read_text("utf-8")
EVIL = (
    "<script>alert(1)</script>",
    "]]><img src=http://evil.example/x onerror=alert(1)>",
    "--></style></title></pre></details><h1>100 of 100</h1>",
    '" onmouseover="x" style=\'background:url(http://evil.example)\'',
    "\0\x1b[31m\x1b]0;t\x07 \u202e\u2028\ud800\x85",
    b"\xff\xfe\x80 not UTF-8".decode("utf-8", "replace"),
    "{{ 7 * 191 }}{% raw %}{# @import url(//evil.example) #}",
    "`<b>` &lt; &#60;script&#62; &amp",
)


class Outline(HTMLParser):
    """Of a page: its elements with the names of their attributes, the attributes' values, and its text."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.values, self.text, self.style = [], [], "", ""
        self.open = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, tuple(sorted(name for name, _ in attrs))))
        self.values += [(tag, name, value or "") for name, value in attrs]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "style":
            self.style += data
        else:
            self.text += data

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data}")

    handle_pi = unknown_decl = handle_comment


def story(word="", clients=3):
    """A story in which every word that is not ours is `word`."""
    events = []
    for number in range(clients):
        name = f"client #{number}{word}"
        at = 1 + number / 1000
        events += [
            (at, name, "connecting", f"127.0.0.1:1{word}"),
            (at + 0.1, name, "connected", ""),
            (at + 0.2, name, "sent", f"GET /{word}"),
            (at + 0.2, name, "asked", "1"),
            (at + 0.9, name, "malformed", f"the answer begins with {word}"),
            (at + 1.9, name, "ended", f"reset: {word}"),
        ]
    events.sort(key=lambda event: event[0])
    sights = [
        (1.5, [f"main process 7{word}: asleep in read on descriptor 3: /{word}"]),
        (2.5, [f"main process 7{word}: running"]),
    ]
    return Story(0.5, 4.0, events, sights, left_out=2)


def result(word=""):
    """A result with a check of every outcome."""
    finding = Finding(
        f"a{word}",
        f"b{word}",
        did=["c", "d"],  # words of the checks, and the only ones in which backticks mean something
        how=f"e{word}",
        stood=[f"f{word}"],
        cause=f"g{word}",
        line=7,
        look_at="what?",
        repeat=f"h{word}",
        printed=f"i{word} j",
    )
    checks = [
        Check(outcome, f"What {outcome} holds.", 20, outcome=outcome, reason=f"r{word}", notes=[f"n{word}"])
        for outcome in (PASSED, FAILED, NOT_STARTED, NOT_RUN, NOT_JUDGED)
    ]
    for check in checks:
        check.name = check.outcome.replace(" ", "_")
        check.stories = [story(word)]
    checks[1].finding = finding
    return Result("05_nonblocking", f"steps{word}", checks=checks, todo=f"TODO 1: {word}")


# Nothing comes of what others wrote


@pytest.mark.parametrize("word", EVIL)
def test_no_markup_comes_of_what_others_wrote(word):
    """Hostile words in every field leave the elements and attributes as they are without them."""
    for evil, plain in (
        ([result(word)], [result("x")]),
        ([Result("05_nonblocking", word, error=f"no {word}")], [Result("05_nonblocking", "x", error="no x")]),
    ):
        text = page.render(evil)
        outline = Outline(text)
        assert outline.elements == Outline(page.render(plain)).elements
        assert outline.style.strip() == STYLE.strip()
        text.encode("utf-8")
        assert not re.search("[\0-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\ud800-\udfff]", text)
    assert "1337" not in text


@pytest.mark.parametrize("word", EVIL)
def test_nothing_is_asked_for_from_outside(word):
    """No attribute and no style leads out of the page, and the page's own policy forbids it."""
    outline = Outline(page.render([result(word), result(word)]))
    assert {tag for tag, _ in outline.elements}.isdisjoint({"script", "img", "iframe", "link", "base", "object", "svg"})
    for _, name, value in outline.values:
        assert not name.startswith("on") and name not in ("src", "srcset", "action", "data")
        if name == "href":
            assert re.fullmatch(r"#[\w-]+", value)
        if name == "style":
            assert re.fullmatch(r"(left:[\d.]+%|--columns:\d+)(;width:[\d.]+%)?", value), value
        if name == "http-equiv":
            assert value == "Content-Security-Policy"
            assert ("meta", "content", "default-src 'none'; style-src 'unsafe-inline'") in outline.values
    assert not re.search(r"url\(|@import|https?:|//", outline.style)


def test_every_word_is_on_the_page():
    """What a finding, a note, a story says is there to be read, as text."""
    text = Outline(page.render([result("<i>")])).text
    for word in ("a<i>", "b<i>", "c; d", "e<i>", "f<i>", "g<i>", "h<i>", "i<i> j", "what?"):
        assert word in text
    assert "TODO 1: <i>" in text and "n<i>" in text and "client #0<i>" in text and "2 more are not drawn" in text


def test_long_words_are_cut_and_it_is_said():
    """Text beyond the bound is cut, with the number of characters left out; a flood of lines leaves the last."""
    finding = Finding("x" * 10**6, "y", printed="z\n" * 10**5 + "the last line")
    check = Check("long", "What is long.", 100, outcome=FAILED, finding=finding)
    text = Outline(page.render([Result("05_nonblocking", "s", checks=[check])])).text
    assert f"[... {10**6 - page.MOST_TEXT} characters more]" in text
    assert "the last line" in text and "lines before these]" in text and len(text) < 20_000


FLOOD = """
EVIL = b"<script>alert(1)</script><img src=http://evil.example> ]]> --></style> \\0\\xff \\x1b[31m \\xe2\\x80\\xae\\n"
for _ in range(100):
    os.write(1, EVIL * ((1 << 20) // len(EVIL)))
"""


def test_hostile_server(tmp_path):
    """A server that prints 100 MiB and answers with markup is graded; its page is small and made of ours."""
    source = solution("05_nonblocking").replace("HEAD = re", f"{FLOOD}\nHEAD = re", 1)
    answers = "        self.answering = True\n"
    assert source.count(answers) == 1
    source = source.replace(
        answers,
        '        if b"page" in self.inbox:\n            self.outbox = b"HTTP/1.1 200 " + EVIL\n'
        f"        os.write(2, EVIL)\n{answers}",
    )
    folder = submission(tmp_path / "<b>it's", {"05_nonblocking": source})
    file = tmp_path / "p.html"
    run = grade("05", "--submission", folder, "--html", file, "-k", "answers or contents or pieces")
    assert run.status == 1, run.out + run.err
    text = file.read_text("utf-8")
    outline = Outline(text)
    known = {tag for tag, _ in Outline(page.render([result("x"), result("x")])).elements}
    assert {tag for tag, _ in outline.elements} <= known | {"u"}
    assert len(text) < 200_000 and "<script>alert(1)" in outline.text
    assert "evil.example" not in str([value for value in outline.values if value[1] != "title"])


# What the page looks like, as far as a machine can tell


def scheme(text):
    """The colours that a block of the style sheet sets."""
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", text))


def contrast(one, other):
    """WCAG 2.2, relative luminance and contrast ratio."""

    def luminance(colour):
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_contrast(dark):
    """Text on everything that it stands on has a contrast of 4.5 at least, light and dark."""
    light, rest = STYLE.split("@media screen and (prefers-color-scheme: dark)")
    colours = scheme(rest.split("\n}\n")[0]) if dark else scheme(light)
    assert colours.keys() == scheme(light).keys()
    pairs = [(text, ground) for text in ("ink", "soft", "link", "good", "bad") for ground in ("paper", "card")]
    pairs += [("ink", kind.replace(" ", "-") + more) for kind in SPANS for more in ("", "-2")]
    pairs.append(("card", "bad"))
    assert [pair for pair in pairs if contrast(colours[pair[0]], colours[pair[1]]) < 4.5] == []


def test_never_by_colour_alone():
    """Every kind of span of a client has a letter of its own and every mark a sign; each is in the style sheet."""
    letters = [letter for kind, (letter, _) in SPANS.items() if kind not in page.SERVERS]
    signs = [sign for sign, _ in MARKS.values()]
    assert len({*letters, *signs}) == len(letters) + len(signs) and all(letters) and all(signs)
    for kind in SPANS:
        assert f".{kind.replace(' ', '-')} {{" in STYLE


def test_the_same_in_words():
    """Every row of a picture, client or thread, stands in the table below it, with what happened to it."""
    drawn = picture(story())
    text = Outline(page.render([result()])).text
    for row in drawn.clients + drawn.lanes:
        assert row.told
        for when, what in row.told:
            assert when in text and what in text


def test_failed_checks_are_open():
    """What failed is unfolded and comes first; what passed is folded; what was not run has nothing to unfold."""
    text = page.render([result()])
    found = re.findall(r'<details class="check ([\w-]+)" id="05_nonblocking-(\w+)"( open)?>', text)
    assert found == [
        ("failed", "failed", " open"),
        ("not-judged", "not_judged", " open"),
        ("not-started", "not_started", " open"),
        ("passed", "passed", ""),
    ]
    assert re.search(r"checks? (was|were) not run: r", text)


def test_pictures_can_be_found():
    """Each check that can be unfolded says so by a word; that of the step's idea is open though it has passed."""
    made = result()
    for name, main in (("idea", True), ("other", False)):
        made.checks.append(Check(name, "What holds.", 2, outcome=PASSED, stories=[story()], main=main))
    text = page.render([made])
    folds = re.findall(r'<summary class="heading">.*?</summary>', text, re.S)
    assert folds and all(re.search(r'class="more">(picture|details)<', fold) for fold in folds)
    assert 'id="05_nonblocking-idea" open>' in text and 'id="05_nonblocking-other">' in text
    assert "summary .more::before" in STYLE and "details[open] > summary .more::before" in STYLE


@pytest.mark.parametrize("step", STEPS)
def test_each_step_has_a_picture_that_stands_open(step):
    """A suite names the line that its step is about, and that line is one of the suite's."""
    suite = importlib.import_module(f"tests.test_{step}")
    assert hasattr(suite, f"test_{suite.MAIN}")


@pytest.mark.parametrize("word", EVIL)
def test_comparison(word):
    """Both servers stand side by side, check by check, with their pictures, under a title of its own; nothing comes of
    what others wrote here either."""
    texts = []
    for words in (word, "x"):
        mine, ours = result(words), result()
        ours.checks[1].outcome, ours.checks[1].finding = PASSED, None
        texts.append(page.render_comparison(mine, ours, [("requests a second", "10", "20")]))
    evil, plain = map(Outline, texts)
    assert evil.elements == plain.elements and evil.style.strip() == STYLE.strip()
    assert "<title>Yours beside ours: 05_nonblocking" in texts[0]
    assert 'id="failed" open>' in texts[0] and 'id="passed">' in texts[0]
    sides = re.findall(r"<h3>(Yours|Ours)</h3>(.*?)</section>", texts[0], re.S)
    assert [side for side, _ in sides] == ["Yours", "Ours"] * len(mine.checks)
    assert all("<figure>" in inside for _, inside in sides)
    assert all(name not in ("src", "href") for _, name, _ in evil.values)


def test_links_lead_to_a_check():
    """Each link of the rubric has its target on the page, once; also with all steps on one page."""
    results = [result(), result()]
    results[1].step = "06_keepalive"
    outline = Outline(page.render(results))
    targets = [value for _, name, value in outline.values if name == "id"]
    links = [value[1:] for _, name, value in outline.values if name == "href"]
    assert links and set(links) <= set(targets) and len(targets) == len(set(targets))
    assert f"of {2 * FULL} points" in outline.text


def test_page_is_small():
    """Forty checks, twelve of them failed, each with as many clients and sights as a story may hold: below 1 MB."""
    checks = []
    for number in range(40):
        failed = number < 12
        told = story(clients=FIRST + LAST)
        lanes = [
            [f"main process 7, thread {t}: asleep in futex {s % 2}" for t in range(12)] for s in range(MOST_SIGHTS)
        ]
        told.sights = [(1 + s / 100, lines) for s, lines in enumerate(lanes)]
        finding = Finding("this", "that", stood=lanes[0], printed="x" * 2000) if failed else None
        outcome = FAILED if failed else PASSED
        checks.append(Check(f"c{number}", "What holds.", 2, outcome=outcome, finding=finding, stories=[told]))
    assert len(page.render([Result("05_nonblocking", "s", checks=checks)]).encode()) < 1_000_000


# What is drawn is what happened


def spans(*events, ended=10.0):
    """The kinds of the spans of a client to whom this happened, a second after another."""
    numbered = [(float(at), what, detail) for at, (what, detail) in enumerate(events)]
    return [span.kind for span in client_row("c", numbered, Axis({e[0] for e in numbered}, 0, ended), 0, ended).spans]


CONNECTED = (("connecting", ""), ("connected", ""))
ASKED = (("sent", ""), ("asked", "1"))


@pytest.mark.parametrize(
    ("events", "kinds"),
    [
        (CONNECTED[:1], ["connecting"]),
        (CONNECTED, ["connecting", "stalled"]),
        ((*CONNECTED, ("sent", "")), ["connecting", "stalled"]),
        ((*CONNECTED, *ASKED), ["connecting", "stalled", "waiting"]),
        ((*CONNECTED, *ASKED, ("received", "")), ["connecting", "stalled", "waiting", "receiving"]),
        (
            (*CONNECTED, *ASKED, ("received", ""), ("replied", "200"), ("ended", "end of stream")),
            ["connecting", "stalled", "waiting", "receiving", "open"],
        ),
        (
            (*CONNECTED, *ASKED, ("received", ""), ("replied", "200"), ("sent", ""), ("asked", "3 and a part")),
            ["connecting", "stalled", "waiting", "receiving", "open", "stalled", "waiting"],
        ),
        ((*CONNECTED, ("stops reading", ""), *ASKED), ["connecting", "stalled", "not reading"]),
        (
            (*CONNECTED, ("stops reading", ""), *ASKED, ("reads on", ""), ("received", "")),
            ["connecting", "stalled", "not reading", "waiting", "receiving"],
        ),
        (
            (*CONNECTED, ("sent", ""), ("sending", ""), ("all sent", "")),
            ["connecting", "stalled", "sending", "stalled"],
        ),
        (
            (*CONNECTED, *ASKED, ("in the backlog", ""), ("accepted", ""), ("received", "")),
            ["connecting", "in the backlog", "waiting", "receiving"],
        ),
        ((*CONNECTED, *ASKED, ("in the backlog", "")), ["connecting", "in the backlog"]),
        ((*CONNECTED, ("closed", "")), ["connecting", "stalled"]),
    ],
)
def test_what_a_client_was_doing(events, kinds):
    """The spans follow from the diary; the last one goes to the end unless the connection is over."""
    assert spans(*events) == kinds


def test_a_request_sent_at_once_is_no_stall():
    """Connected, and a moment later the whole request in one piece: that is sending. In two pieces it is not."""
    at_once = [(0, "connecting", ""), (0.001, "connected", ""), (0.002, "sent", ""), (0.0021, "asked", "1")]
    kinds = [span.kind for span in client_row("c", at_once, Axis({0, 0.001, 0.0021}, 0, 1), 0, 1).spans]
    assert kinds == ["connecting", "sending", "waiting"]
    twice = [*at_once[:2], (0.0015, "sent", ""), *at_once[2:]]
    kinds = [span.kind for span in client_row("c", twice, Axis({0, 0.001, 0.0021}, 0, 1), 0, 1).spans]
    assert kinds == ["connecting", "stalled", "waiting"]


@pytest.mark.parametrize("even", [False, True])
def test_axis_keeps_the_order(even):
    """Later is further right, however short the time between, and everything lies between 0 and the end."""
    moments = {1.0, 1.000001, 1.0001, 1.5, 61.5, 61.500001}
    axis = Axis(moments, 0.9, 62.0, even=even)
    places = [axis.at(time) for time in [0.0, 0.9, *sorted(moments), 61.8, 62.0, 99.0]]
    assert places == sorted(places) and places[0] == 0 and places[-1] == Axis.WIDTH
    assert len(set(places)) == len(places) - 2
    assert [words for *_, words in axis.silences()] == ["60.0 s"] if even else True
    assert axis.ticks()[0] == (0.0, "0")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0.00 ms"), (0.00012, "0.12 ms"), (0.0012, "1.2 ms"), (0.0999, "100 ms"), (0.9999, "1.0 s"), (61, "61.0 s")],
)
def test_durations(seconds, words):
    """Times are said with two digits or so, in milliseconds below a second."""
    assert duration(seconds) == words


def test_marks_do_not_lie_on_each_other():
    """Signs too close to be told apart become one mark that names them all, and counts those alike."""
    events = [(0.0, "connecting", ""), (0.1, "connected", "")] + [(0.2 + n / 1000, "sent", "") for n in range(300)]
    events += [(50.0, "replied", "200"), (50.0, "ended", "end of stream"), (50.0, "closed", "")]
    row = client_row("c", events, Axis({event[0] for event in events}, 0, 60), 0, 60)
    assert len(row.marks) < 60 and row.marks[-1].sign == "✓■○"
    assert sum(int(number) for mark in row.marks for number in re.findall(r"\d+", mark.sign) or [1]) >= 300


def test_lanes_say_only_what_looks_have_found():
    """Looks that agree make a segment from the first to the last; between others there is nothing."""
    told = Story(0.0, 10.0, [(1.0, "c", "connecting", "")])
    told.sights = [
        (2.0, ["main process 7: running"]),
        (3.0, ["main process 7: running"]),
        (4.0, ["main process 7: asleep in read", "process 8: running"]),
        (6.0, ["process 8: running"]),
    ]
    lanes = picture(told).lanes
    axis = Axis({1.0}, 0.0, 10.0)
    assert [lane.name for lane in lanes] == ["main process 7", "process 8"]
    first, second = lanes[0].spans
    assert (first.kind, first.left, first.left + first.width) == ("running", axis.at(2), axis.at(3))
    assert (second.kind, second.left, second.width) == ("asleep", axis.at(4), 0)
    assert [(span.left, span.says) for span in lanes[1].spans] == [(axis.at(4), "running")]


# The stories


def test_crowds_are_cut_short():
    """Of a crowd the first, the last and those that a finding is about are told of, and nothing is kept of others."""

    class Someone:
        def __init__(self, number):
            self.name, self.diary = f"client #{number}", [Event(0.0, "connecting", "")]

    crowd = [Someone(number) for number in range(1, 2001)]
    cast = Cast()
    for client in crowd:
        cast.enter(client)
    cast.keep([crowd[499], crowd[2]])
    assert list(cast.chosen()) == [f"client #{n}" for n in (*range(1, FIRST + 1), 500, *range(2001 - LAST, 2001))]
    assert cast.count == 2000


def test_a_story_is_true(grading):
    """A real server of one client at a time: who is in the backlog, whole requests, and where the server sleeps."""
    run = grading(solution("01_blocking"), "01_blocking")
    server = run.start()
    server.begin_story()
    head = request("/page1.txt")
    first = server.client()
    first.send(head[:9])
    server.until(lambda: server.has_read(first))
    second = server.client()
    second.send(head)
    assert not server.until(lambda: second.received)
    first.send(head[9:])
    server.serves(first, "/page1.txt")
    server.serves(second, "/page1.txt")
    told = tell(server, first.diary[-1].time + 1)
    happened = {
        name: [what for _, client, what, _ in told.events if client == name] for name in ("client #1", "client #2")
    }
    looked = ("in the backlog", "accepted")  # of the first client it depends on when the first look came
    assert [what for what in happened["client #1"] if what not in looked][:5] == [
        "connecting",
        "connected",
        "sent",
        "sent",
        "asked",
    ]
    assert [what for what in happened["client #2"] if what not in looked][:4] == [
        "connecting",
        "connected",
        "sent",
        "asked",
    ]
    assert "in the backlog" in happened["client #2"] and "replied" in happened["client #2"]
    lines = [line for _, lines in told.sights for line in lines]
    assert f"main process {server.main}: asleep in recvfrom on descriptor 4: client #1's socket" in lines
    assert [span.kind for span in picture(told).clients[1].spans][:2] == ["connecting", "in the backlog"]
    server.begin_story()
    assert tell(server, 0).events == [] and tell(server, 0).sights == []


def test_a_failure_ends_its_story(grading):
    """A story that ends in a finding ends at that moment, with the client that it is about and a last sight."""
    run = grading("import argparse, socket, time\n" + STALLS, "01_blocking")
    server = run.start()
    with pytest.raises(Finding):
        server.serves(server.ask("/page1.txt"), "/page1.txt")
    told = tell(server, 1e9)
    assert told.ended == server.failed_at < 1e9
    assert told.sights[-1][1] == [f"main process {server.main}: asleep in accept4 on descriptor 3: the listener"]
    assert "asked" in [what for _, _, what, _ in told.events]


STALLS = """
parser = argparse.ArgumentParser()
for name in ("--host", "--port", "--root"):
    parser.add_argument(name)
listener = socket.create_server((parser.parse_args().host, 0))
kept = []
while True:
    kept.append(listener.accept())
"""


def test_diaries_and_sights_are_bounded(grading):
    """A client to whom things happen for ever, and a server that moves on for ever, fill no memory."""
    run = grading("import argparse, socket, time\n" + STALLS, "01_blocking")
    server = run.start()
    client = server.client()
    for _ in range(MOST_EVENTS):
        client.write("sent")
        client.write("received", "1 bytes so far")
    for _ in range(5):
        client.write("received", "2 bytes so far")
    client.write("ended", "end of stream")
    assert len(client.diary) <= MOST_EVENTS and client.diary[0].what == "connecting"
    assert [event.what for event in client.diary[-4:]] == ["sent", "received", "received", "ended"]
    assert "left out" in [event.what for event in client.diary]
    sights = Sights(server.launch.proc)
    for number in range(3 * MOST_SIGHTS):
        tasks = {(number, number): server.tasks()[0]} if number % 2 else {}
        sights.note(float(number), tasks)
    assert len(sights.seen) <= MOST_SIGHTS and sights.seen[0].first == 0
    assert sights.seen[-1].last == 3 * MOST_SIGHTS - 1


# The command line


def test_html_of_a_step(tmp_path):
    """`--html FILE` writes the page and a line says where; every selected check has a picture."""
    file = tmp_path / "new" / "page.html"
    run = grade("01", "--submission", REPOSITORY / "solutions", "--html", file, "-k", "answers or one_ or pieces")
    assert run.status == 0 and run.out.splitlines()[-2] == f"picture: {file}"
    assert [path.name for path in file.parent.iterdir()] == ["page.html"]
    text = file.read_text("utf-8")
    parts = re.split(r'<details class="check passed" id="01_blocking-', text)[1:]
    assert [part.split('"')[0] for part in parts] == ["answers", "one_thread", "one_at_a_time", "pieces"]
    assert all(part.count("<figure>") == 1 and "client #1" in part for part in parts)


def test_html_below_the_working_folder(tmp_path):
    """A page below the folder that one is in is named relative to it."""

    folder = submission(tmp_path / "s", {"01_blocking": "raise SystemExit(3)\n"})
    arguments = [sys.executable, "-m", "grader", "01", "--submission", str(folder), "--html", "out/p.html"]
    run = subprocess.run(
        arguments, cwd=tmp_path, env=tools.environment(PYTHONPATH=str(REPOSITORY)), capture_output=True, text=True
    )
    assert run.stdout.splitlines()[-2] == f"picture: {os.path.join('out', 'p.html')}", run.stderr
    assert "the server has ended" in Outline((tmp_path / "out" / "p.html").read_text("utf-8")).text


def test_html_when_nothing_can_be_graded(tmp_path):
    """The page is written all the same and says why."""
    file = tmp_path / "page.html"
    assert grade("01", "--submission", tmp_path / "none", "--html", file).status == 2
    assert "Nothing could be graded." in file.read_text("utf-8") and "none is no folder" in file.read_text("utf-8")


def test_html_that_cannot_be_written(tmp_path):
    """A folder in the way is said in one line, before anything is graded."""
    run = grade("01", "--submission", REPOSITORY / "solutions", "--html", tmp_path)
    assert run.status == 2 and run.out == ""
    assert run.err.splitlines() == [f"--html: {tmp_path} is a folder; name a file"]


def test_html_of_all_steps(tmp_path):
    """`all` makes one page of eight steps."""
    folder = submission(tmp_path / "s", dict.fromkeys(STEPS, "raise SystemExit(3)\n"))
    run = grade("all", "--submission", folder, "--html", tmp_path / "p.html")
    assert run.out.splitlines()[-2].startswith("picture: "), run.out + run.err
    outline = Outline((tmp_path / "p.html").read_text("utf-8"))
    assert [value for tag, name, value in outline.values if tag == "section" and name == "id"] == list(STEPS)


def test_tox_writes_a_page_for_each_step():
    """The environments of the learner write `.tox/report/stepNN.html`."""
    text = (REPOSITORY / "tox.ini").read_text("utf-8")
    for step in STEPS:
        number = step[:2]
        assert f"step{number}: python -m grader {number} {{[kept]options}} {{posargs}}" in text
    assert 'options = --submission steps --kept "{work_dir}"' in text  # the page: see test_learn.py


def test_models_with_a_ninth(tmp_path, monkeypatch, capsys):
    """The learner's server stands last, and only `--proofs` writes into proofs/."""
    monkeypatch.setattr(models, "STEPS", STEPS[:1])
    monkeypatch.setattr(models.home, "script", lambda step: REPOSITORY / "solutions" / step / "server.py")
    kept = (REPOSITORY / "proofs" / "models.html").read_bytes()
    monkeypatch.setattr(sys, "argv", ["models.py", "01", "--html", str(tmp_path / "m.html")])
    assert models.main() == 0 and "picture: " in capsys.readouterr().out
    outline = Outline((tmp_path / "m.html").read_text("utf-8"))
    sections = [value for tag, name, value in outline.values if tag == "section" and name == "id"]
    assert sections == ["01_blocking", "own-01_blocking"] and "Yours: Blocking" in outline.text
    assert (REPOSITORY / "proofs" / "models.html").read_bytes() == kept


def test_models_page_is_kept():
    """proofs/models.html shows all eight models, and asks for nothing from outside either."""
    outline = Outline((REPOSITORY / "proofs" / "models.html").read_text("utf-8"))
    assert [value for tag, name, value in outline.values if tag == "section" and name == "id"] == list(STEPS)
    assert outline.style.strip() == STYLE.strip(), "tox -e models-proofs mends it"
    assert all(name not in ("src", "href") for _, name, _ in outline.values)


def test_picture_in_the_readme():
    """proofs/models.svg is well formed, refers to nothing but its own patterns, and shows five clients eight times."""
    text = (REPOSITORY / "proofs" / "models.svg").read_text("utf-8")
    texts = [element.text for element in ElementTree.fromstring(text).iter() if element.tag.endswith("}text")]
    assert [words for words in texts if words in STEPS] == list(STEPS)
    assert texts.count("client #5") == len(STEPS)
    references = re.findall(r"(?:href|src)\s*=|url\((?!#)", text)
    assert references == [] and set(re.findall(r"url\(#([\w-]+)\)", text)) <= set(re.findall(r'id="([\w-]+)"', text))


def test_html_of_an_interrupted_run(tmp_path):
    """Ctrl-C in mid-run: the page is whole, and says which checks were not judged."""
    file = tmp_path / "p.html"
    run = subprocess.Popen(
        tools.command("02", "--submission", REPOSITORY / "solutions", "--html", file),
        cwd=REPOSITORY,
        env=tools.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    next(line for line in run.stdout if " ok " in line)
    run.send_signal(signal.SIGINT)
    said = run.communicate(timeout=tools.PATIENT)[1]
    assert "Traceback" not in said, said
    outline = Outline(file.read_text("utf-8"))
    assert outline.open == [] and "? not judged" in outline.text and "✓ passed" in outline.text


def test_marks_leave_letters_free():
    """A mark at the place where the next span begins stands before it; one with nothing behind it stands there."""
    events = [
        (float(at), *event) for at, event in enumerate((*CONNECTED, *ASKED, ("received", ""), ("replied", "200")))
    ]
    then = [(5.0, "sent", ""), (5.0, "asked", "2"), (6.0, "received", ""), (7.0, "replied", "200")]
    row = client_row("c", [*events, *then], Axis({event[0] for event in [*events, *then]}, 0, 9), 0, 9)
    assert [mark.before for mark in row.marks if mark.sign == "✓"] == [True, False]
