"""The ledger: what a scene shows costs the line whose rule is broken, whichever line the scene belongs to."""

import json
import subprocess
import sys

import corpus
import junitparser
import pytest
import tools
from tools import REPOSITORY, STEPS

from grader import judge
from grader.client import request

EMPTY = "wrong/01_blocking/empty_is_missing"  # an empty file is answered 404
STEP = STEPS[0]
REPORTS = ("results", "json", "junit", "exercism", "html")
BEGIN = """
import os
import signal
from grader.subject import Server
from tests.checks import ways
from tests.checks.lines import LINES, STRETCH, Line, Suite

def told(*words):
    with open(os.environ["PLAYED"], "a") as file:
        print(*words, file=file)

def answers(server: Server):
    told("answers")
    server.get("/page1.txt")

def a_page(server: Server):
    told("a page")
    server.get("/page1.txt")

def an_empty_file(server: Server):
    told("an empty file")
    server.get("/empty.txt")

def never(server: Server):
    told("never")
    client = server.ask("/empty.txt")
    server.must(lambda: client.replies and client.replies[0].status == 200, "200", clients=[client])

def never_either(server: Server):
    client = server.ask("/page1.txt", method="DELETE")
    server.must(lambda: client.replies and client.replies[0].status == 501, "501", clients=[client])

def known(server: Server):
    told("known")
    for _ in range(2):
        server.fail("what never comes", "nothing", costs="contents")
    told("to its end")

def kills(server: Server):
    server.get("/page1.txt?die")

def kills_too(server: Server):
    server.get("/page2.txt?die")

def keeps(server: Server):
    left = ways.play(server, [STAYS, ways.SERVED[0]], 1)
    server.must(lambda: [way for way, _ in left] == [ways.SERVED[0]], "a way that is left out")

def drops(server: Server):
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        pass

def is_not_there(server: Server):
    server.answers(server.ask("/nope.txt"), (404,), "it is not there")

STAYS = ways.served("asked for what is not there", ways.request("/nope.txt"))
WATCHERS = ()
line = Suite(globals())
LINES["answers"] = Line("It answers.", answers)
"""


def line(name, scene, points=10):
    return f'LINES["{name}"] = Line("The line {name}.", {scene})\nline("{name}", {points})\n'


class Played:
    """A submission graded by a made-up suite: what was played, what came of each line, and all reports."""

    def __init__(self, folder, source, suite, *more):
        submitted = tools.submission(folder / "submission", {STEP: source})
        path, self.path = folder / "test_made_up.py", folder / "played"
        path.write_text(f"{BEGIN}line('answers', 2)\n{suite}", "utf-8")
        program = "import pathlib, sys\nimport grader.run\nfrom grader.__main__ import main\n"
        program += f"grader.run.suite = lambda step: pathlib.Path({str(path)!r})\nsys.exit(main())\n"
        self.reports = {name: folder / f"report.{name}" for name in REPORTS}
        options = [word for name, path in self.reports.items() for word in (f"--{name}", str(path))]
        command = [sys.executable, "-c", program, STEP, "--submission", str(submitted), *options, *more]
        given = tools.environment(PLAYED=str(self.path))
        done = subprocess.run(command, cwd=REPOSITORY, env=given, capture_output=True, text=True, timeout=110)
        self.out, self.status = done.stdout, done.returncode
        assert done.stderr == "", done.stderr
        self.checks = {check["name"]: check for check in self.report("json")["steps"][0]["checks"]}

    def report(self, name):
        return json.loads(self.reports[name].read_text("utf-8"))

    @property
    def order(self):
        return self.path.read_text("utf-8").split("\n")[:-1]

    def outcomes(self):
        return {name: check["outcome"] for name, check in self.checks.items()}


@pytest.fixture
def play(tmp_path, temporary):
    """The text of a suite -> what came of a server that answers an empty file 404, by its name or as told."""

    def played(suite, *more, name=EMPTY):
        source = next(entry.source for entry in corpus.entries() if entry.name == name)
        source = source.replace('"501 Not Implemented"', '"500 Oh"') if "never_either" in suite else source
        return Played(tmp_path, source, suite, *more)

    return played


# Which line it costs


def test_a_breach_costs_the_line_whose_rule_it_is(play):
    """The scene of `strict` asks for an empty file: `contents` is lost by it, and `strict` is not."""
    run = play(line("strict", "an_empty_file") + line("contents", "a_page"))
    assert run.outcomes() == {"answers": "passed", "strict": "passed", "contents": "failed"}
    finding = run.checks["contents"]["finding"]
    assert "was answered 404" in finding["saw"] and "200" in finding["expected"], finding
    assert run.status == 1 and run.report("json")["score"] == 12


def test_what_is_known_is_asked_no_more(play):
    """The scene is played again from its beginning with the rule muted, and once for all the lines behind it."""
    more = line("strict", "an_empty_file") + line("library", "an_empty_file") + line("contents", "an_empty_file")
    run = play(more)
    assert run.order == ["answers", "an empty file", "an empty file", "an empty file", "an empty file"]
    assert run.outcomes() == {"answers": "passed", "strict": "passed", "library": "passed", "contents": "failed"}


def test_its_own_scene_comes_first_too(play):
    """A line that its own scene has lost is lost once; nobody behind it is blamed, and none is played twice."""
    run = play(line("contents", "an_empty_file") + line("strict", "an_empty_file"))
    assert run.outcomes() == {"answers": "passed", "contents": "failed", "strict": "passed"}
    assert run.order == ["answers", "an empty file", "an empty file", "an empty file"]


def test_what_cannot_be_played_is_not_run(play):
    """A scene that fails again by what is known already has shown nothing of its own line."""
    run = play(line("strict", "never") + line("contents", "a_page"))
    assert run.outcomes() == {"answers": "passed", "strict": "not run", "contents": "failed"}
    assert run.checks["strict"]["reason"] == "it needs 'contents'" and run.checks["strict"]["finding"] is None
    assert run.order == ["answers", "never", "never", "a page"]
    assert "1 check was not run: they need what has failed" in run.out


def test_a_scene_goes_on_behind_what_is_known(play):
    """What it says itself to be another line's is told once; then the scene is played to its end."""
    run = play(line("strict", "known") + line("contents", "a_page"))
    assert run.outcomes() == {"answers": "passed", "strict": "passed", "contents": "failed"}
    assert run.order == ["answers", "known", "known", "to its end", "a page"]


def faulty(folder, suite, fault):
    """The solution of step 1, which does this when it has read a head, judged by a made-up suite."""
    source = (REPOSITORY / "solutions" / STEP / "server.py").read_text("utf-8")
    place = "            data, file, size = respond(root, head)\n"
    assert source.count(place) == 1
    return Played(folder, source.replace(place, f"            {fault}\n{place}"), suite)


def test_an_interrupt_that_is_dropped(play):
    """A signal whose KeyboardInterrupt Python has dropped, as in a destructor, ends the run before the next check."""
    run = play(line("strict", "drops") + line("library", "a_page"))
    assert run.order == ["answers"] and run.status == 1
    assert run.outcomes()["library"] == "not judged" and run.report("json")["steps"][0]["interrupted"]


def test_one_end_costs_one_line(tmp_path, temporary):
    """A server that ends by itself is told once: the line whose scene meets the same end once more is not run."""
    suite = line("contents", "kills") + line("strict", "kills_too") + line("library", "a_page")
    run = faulty(tmp_path, suite, "assert b'?die' not in head")
    assert run.outcomes() == {"answers": "passed", "contents": "failed", "strict": "not run", "library": "passed"}
    assert run.checks["strict"]["reason"] == "it needs 'contents'"
    assert "AssertionError" in run.checks["contents"]["finding"]["cause"]


def test_who_is_not_answered_is_asked_no_more(tmp_path, temporary):
    """A head that has cost a line for want of an answer is left out of what clients do before they leave."""
    suite = line("missing", "is_not_there") + line("no_leak", "keeps")
    run = faulty(tmp_path, suite, "b'/nope.txt' in head and connection.recv(1)")
    assert run.outcomes() == {"answers": "passed", "missing": "failed", "no_leak": "passed"}


@pytest.mark.parametrize("scenes", [("an_empty_file", "never_either"), ("never_either", "an_empty_file")])
def test_what_is_known_of_a_line_that_cannot_be_played(play, scenes):
    """What another scene has shown of it, before it or behind it, is a failure; that it could not be played, none."""
    names = {"an_empty_file": "library", "never_either": "contents"}
    suite = "".join(line(names[scene], scene) for scene in scenes)
    run = play(suite + line("other_methods", "a_page"))
    assert run.outcomes() == {"answers": "passed", "library": "passed", "contents": "failed", "other_methods": "failed"}
    assert "was answered 404" in run.checks["contents"]["reason"]


def test_a_line_that_had_passed(play):
    """It is blamed by a later scene: it ends as failed in every report, and the terminal says so when it happens."""
    run = play(line("contents", "a_page") + line("strict", "an_empty_file") + line("library", "a_page"))
    assert run.outcomes() == {"answers": "passed", "contents": "failed", "strict": "passed", "library": "passed"}
    told = [row.split(maxsplit=2) for row in run.out.split("\n") if "/" in row and row.endswith(".")]
    contents = [row[:2] for row in told if row[2] == "The line contents."]
    assert contents == [["ok", "10/10"], ["FAILED", "0/10"]]
    titles = [row[2].split()[-1] for row in told]
    assert titles == ["answers.", "contents.", "contents.", "strict.", "library."]
    assert f"{STEP}: 22 of 100 points" in run.out
    assert run.report("results")["score"] == 22
    (test,) = [each for each in run.report("results")["tests"] if each["extra_data"]["check"] == "contents"]
    assert test["extra_data"]["outcome"] == "failed" and test["score"] == 0 and "was answered 404" in test["output"]
    (test,) = [each for each in run.report("exercism")["tests"] if each["name"] == "The line contents."]
    assert test["status"] == "fail" and "was answered 404" in test["message"]
    cases = junitparser.JUnitXml.fromstring(run.reports["junit"].read_bytes())
    failed = [case for suite in cases for case in suite if case.is_failure]
    assert len(failed) == 1 and "contents" in f"{failed[0].name} {failed[0].classname}"
    assert "was answered 404" in run.reports["html"].read_text("utf-8")


@pytest.mark.parametrize("name", ["strict", "contents"], ids=["a", "b"])  # -k looks at the names of folders too
def test_one_line_alone(play, name):
    """What is not selected is not judged: of whoever breaks another line's rule nothing is said."""
    run = play(line("strict", "an_empty_file") + line("contents", "an_empty_file"), "-k", name)
    outcome = {"strict": "passed", "contents": "failed"}[name]
    assert run.outcomes() == {"answers": "not run", "strict": "not run", "contents": "not run"} | {name: outcome}
    assert run.order == ["an empty file"]


def test_a_real_suite(tmp_path, temporary):
    """Step 1 as it is: an empty file is asked for in many scenes, and costs one line."""
    (entry,) = [entry for entry in corpus.entries("wrong", STEP) if entry.name == EMPTY]
    others = ("end_of_stream", "strict", "library", "half_close", "goes_on")
    select = " or ".join(["answers", "contents", *others])
    run = tools.grade(
        *(STEP, "--submission", entry.submit(tmp_path / "submission"), "-k", select), results=tmp_path / "r.json"
    )
    outcomes = run.outcomes()
    assert outcomes["contents"] == "failed" and {outcomes[name] for name in others} == {"passed"}, run.out


# The control: is it the answer's own fault, or that of what else goes on?

FIRST_ALONE = """
served = 0


def respond(root, head):
    global served
    served += 1
    return answer(root, head if served == 1 else b"GET /nope.txt HTTP/1.1")
"""


@pytest.fixture
def asked(grading):
    """The text of a server -> its grading, a server of it, and a client there that was answered 404 as the second."""

    def start(source):
        run = grading(source, STEP)
        run.verdicts.line, run.verdicts.lines = "strict", frozenset(("strict", "contents", "answers"))
        server = run.start()
        for target in ("/page1.txt", "/empty.txt"):
            client = server.ask(target)
            server.until(lambda client=client: client.ended)
            if target == "/page1.txt":
                client.close()
        return run, server, client

    return start


def owner(server, client):
    (violation,) = judge.violations(server, client)
    assert (violation.rule, violation.line) == ("status", "contents")
    return judge.owner(server, client, violation)


def test_who_breaks_it_alone_too(asked):
    """Another server, which nobody has met, is asked the same and breaks the same rule: it costs that rule's line."""
    (entry,) = [entry for entry in corpus.entries("wrong", STEP) if entry.name == EMPTY]
    run, server, client = asked(entry.source)
    started, stage = len(run.launches), list(run.stage)
    assert owner(server, client) == "contents" and owner(server, client) == "contents"
    assert run.verdicts.controls == {request("/empty.txt"): "contents"}  # it was asked once
    assert (len(run.launches), run.stage, run.verdicts.line) == (started, stage, "strict")


def test_who_breaks_it_in_company(asked):
    """Alone it is answered rightly: what went on before is to blame, and the scene's own line is the one it costs."""
    source = tools.solution(STEP).replace("def respond(", "def answer(")
    source = source.replace("\n\ndef read_head", f"{FIRST_ALONE}\n\ndef read_head")
    run, server, client = asked(source)
    assert owner(server, client) == ""
    assert run.verdicts.controls == {request("/empty.txt"): ""}


def test_the_gate_asks_nobody(asked):
    """In the first check nobody else has been there: there a wrong answer costs its line and no control is asked."""
    (entry,) = [entry for entry in corpus.entries("wrong", STEP) if entry.name == EMPTY]
    run, server, client = asked(entry.source)
    run.verdicts.line = judge.GATE
    assert owner(server, client) == "contents" and run.verdicts.controls == {}
