"""Every report is whole, valid for who reads it, and holds of a submission's output its escaped excerpt only."""

import importlib
import json
import os
import re
import signal
import stat
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import junitparser
import pytest
import tools
from markdown_it import MarkdownIt
from tools import REPOSITORY, solution, submission

from grader.finding import Finding
from grader.record import FAILED, NOT_JUDGED, NOT_RUN, NOT_STARTED, PASSED, Check, Result, Story
from grader.report import exercism, files, github, gradescope, junit, records, text

pytestmark = pytest.mark.usefixtures("temporary")

STEP = "01_blocking"
CLASSROOM = {
    "CLASSROOM": "web-24",
    "ASSIGNMENT": "eight-servers",
    "SUBMISSION_TAG": "submit/1",
    "COMMIT_URL": "https://example.test/commit",
    "RELEASE_URL": "https://example.test/release",
    "REVIEW_URL": "https://example.test/review",
}
FORMATS = ("results", "json", "junit", "exercism", "classroom", "html")
HOSTILE = (
    "::error file=x,line=1::mine\n::set-output name=x::y\n##[error]z\n::add-mask::100\n"
    "{{ 7 * 7 }} &amp; \"'` ```\n\u2028\u202e\ufeff\ufffe\x00\x9b31m\n"
    "\x1b[2J\x1b]0;title\x07<script>alert(1)</script>]]></failure>--></style>"
).encode("utf-8", "surrogatepass") + b"\xff\xfe\xed\xa0\x80\n"
RESPOND = "data, file, size = respond(root, head)"
BUG = 'head.startswith(b"POST") and connection.recv(1)'


def server(prelude="pass", each="pass"):
    """The solution with a bug at which it comes to rest; it does something first, and something for each request."""
    source = solution(STEP)
    assert source.count(RESPOND) == 1
    source = source.replace(RESPOND, f"{each}\n            {BUG}\n            {RESPOND}")
    return source.replace('if __name__ == "__main__":\n', f'if __name__ == "__main__":\n    {prelude}\n')


def graded(folder, source, step=STEP, *options, **more):
    """Grade a server with all reports at once: what was said, and name -> text of each report."""
    (folder / "reports").mkdir(parents=True)
    handed_in = submission(folder / "submission", {step: source})
    paths = {name: folder / "reports" / name for name in FORMATS}
    given = [word for name, path in paths.items() for word in (f"--{name}", str(path))]
    summary = folder / "summary.md"
    actions = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary), "GITHUB_WORKSPACE": str(folder)}
    run = tools.grade(step, "--submission", handed_in, *given, *options, **{**CLASSROOM, **actions, **more})
    found = {name: path.read_text("utf-8") for name, path in paths.items()}
    return run, {**found, "summary": summary.read_text("utf-8"), "stdout": run.out}


def check_all(reports, score, status, full=100):
    """Each report is what its reader expects, and all say the same."""
    ours = json.loads(reports["json"])
    schema = json.loads(records.SCHEMA_FILE.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(ours, schema)
    assert ours["score"] == score
    xml = junitparser.JUnitXml.fromstring(reports["junit"].encode())
    cases = [case for suite in xml for case in suite]
    assert sum(suite.tests for suite in xml) == len(cases)
    assert sum(suite.failures for suite in xml) == sum(case.is_failure for case in cases)
    assert sum(suite.skipped for suite in xml) == sum(case.is_skipped for case in cases)
    assert sum(suite.errors for suite in xml) == sum(case.is_error for case in cases)
    v3 = json.loads(reports["exercism"])
    assert v3["version"] == 3 and v3["status"] == status and (v3["message"] is None) == (status != "error")
    for test in v3["tests"]:
        assert set(test) <= {"name", "status", "message", "output", "test_code", "task_id"}
        assert test["status"] in ("pass", "fail", "error") and len(test.get("output", "")) <= 500
        assert test["status"] == "pass" or test["message"]
    fifty = json.loads(reports["classroom"])
    assert fifty["schema"] == "classroom50/result/v1" and fifty["score"] == score and fifty["max-score"] == full
    assert fifty["score"] == sum(test["score"] for test in fifty["tests"])
    assert fifty["max-score"] == sum(test["max-score"] for test in fifty["tests"])
    for name in ("classroom", "assignment", "submission", "commit", "release", "review", "datetime"):
        assert isinstance(fifty[name], str) and fifty[name]
    assert json.loads(reports["results"])["score"] == score


def test_all_formats(tmp_path):
    """A server with one bug: every report is valid, and the annotation is at its file."""
    run, reports = graded(tmp_path, server(), STEP, "-k", "answers or methods")
    assert run.status == 1, run.out + run.err
    check_all(reports, 2, "fail")
    errors = [line for line in run.out.splitlines() if line.startswith("::error")]
    assert len(errors) == 1 and errors[0].startswith(f"::error file=submission/{STEP}/server.py,")
    line = next(number for number, words in enumerate(server().splitlines(), 1) if BUG in words)
    assert f",line={line}::" in errors[0]
    assert "POST is not GET" in errors[0]
    assert f"## {STEP}: 2 of 100 points" in reports["summary"]


def test_nothing_to_grade(tmp_path):
    """Nothing could be graded: every report says so, and is valid."""
    run, reports = graded(tmp_path, "", "02_multiprocess", "-k", "(")
    assert run.status == 2
    check_all(reports, 0, "error")
    for name, report in reports.items():
        if name != "stdout":
            assert "is no expression of names" in report, name
    assert "::error::" in reports["stdout"]


def without_excerpt(name, text):
    """A report without what the server printed and without what differs from run to run."""
    if name == "json":
        data = json.loads(text)
        for check in data["steps"][0]["checks"]:
            check["stories"] = []
            if check["finding"]:
                check["finding"]["printed"] = ""
        text = json.dumps(data)
    if name == "exercism":
        data = json.loads(text)
        for test in data["tests"]:
            test.pop("output", None)
        text = json.dumps(data)
    if name == "junit":
        text = re.sub(r"\s*<system-out>.*?</system-out>", "", text, flags=re.S)
    if name == "html":
        text = re.sub(r"<dt>printed</dt>\s*<dd[^>]*>.*?</dd>\n?", "", text, flags=re.S)
        text = re.sub(r"<figure.*?</figure>", "", text, flags=re.S)
    text = text.replace("%0A", "\n").replace("\\n", "\n")
    text = re.sub(r"\n    printed   \|.*(\n {14}\|.*)*", "", text)
    return re.sub(r"`{3,}|[0-9a-f]{16,}|\d+(\.\d+)?", "0", text)


def test_hostile_output(tmp_path):
    """What a server prints, 100 MB of it and all that could act on a reader, changes nothing but its excerpt."""
    prelude = f"import os; os.write(1, {HOSTILE!r}); [os.write(1, b'x' * 99999 + bytes([10])) for _ in range(1000)]"
    loud = server(prelude, f"os.write(1, {HOSTILE!r})")
    run, reports = graded(tmp_path / "1", loud, STEP, "-k", "answers or methods")
    silent_run, silent = graded(tmp_path / "2", server(), STEP, "-k", "answers or methods")
    assert run.status == silent_run.status == 1
    check_all(reports, 2, "fail")
    check_harmless(reports)
    for name, report in reports.items():
        assert ("&lt;script&gt;" in report or "<script>alert" in report) == (name != "classroom"), name
        mine, theirs = without_excerpt(name, report), without_excerpt(name, silent[name])
        assert mine == theirs, name
    assert_commands(reports)


def check_harmless(reports):
    """No report is large, holds what could act on its reader, or is other Markdown than ours."""
    for name, report in reports.items():
        assert len(report) < 200_000, name
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u202e\ufeff\ufffe\ud800-\udfff]", report), name
    tokens = MarkdownIt("commonmark").enable("table").parse(reports["summary"])
    allowed = re.compile(r"<details><summary>\w+</summary>\n|</details>\n")
    for token in [*tokens, *(child for parent in tokens for child in parent.children or [])]:
        assert token.type not in ("html_inline", "link_open", "image"), token.content
        assert token.type != "html_block" or allowed.fullmatch(token.content), token.content
        assert token.type != "heading_open" or token.tag == "h2"


def obeyed(printed):
    """What GitHub's runner obeys of this output: (command, properties, the rest) of each, as its source reads them.

    A command begins a line, blanks aside (ActionCommand.TryParseV2), or stands behind `##[` anywhere (TryParse).
    Between stop-commands and its token nothing is obeyed but the token (ActionCommandManager.TryProcessCommand).
    """
    found, token = [], None
    for line in re.split(r"\r\n|\r|\n", printed):
        parsed = re.match(r"\s*::([^\s:]+)(.*?)::(.*)", line) or re.search(r"##\[([^\s\]]+)(.*?)\](.*)", line)
        if parsed and token is None:
            found.append((parsed[1], parsed[2].strip(), parsed[3]))
            token = parsed[3] if parsed[1] == "stop-commands" else None
        elif parsed and parsed[1] == token:
            token = None
    assert token is None
    return found


def assert_commands(reports):
    """The runner obeys what is ours: to stop obeying, and then an annotation for each failed check, at its file."""
    first, *others = obeyed(reports["stdout"])
    assert first[0] == "stop-commands" and re.fullmatch("[0-9a-f]{32}", first[2])
    checks = json.loads(reports["json"])["steps"][0]["checks"]
    titles = [check["title"] for check in checks if check["outcome"] == FAILED and not check["stretch"]]
    assert len(others) == len(titles) > 0
    for (command, words, _), title in zip(others, titles, strict=True):
        properties = dict(word.split("=", 1) for word in words.split(","))
        assert command == "error" and properties.keys() <= {"file", "title", "line"}
        assert unescaped(properties["title"]) == f"{STEP}: {title}"
        assert unescaped(properties["file"]).endswith(f"submission/{STEP}/server.py")


def unescaped(words):
    for code, character in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        words = words.replace(code, character)
    return words


ANSWER = 'return f"HTTP/1.1 {status}\\r\\n{fields}close\\r\\n\\r\\n".encode() + data, file, size'
ONE_LINE = HOSTILE.replace(b"\n", b"|") * 300
HEADS = {
    "reason": b"HTTP/1.1 200 " + ONE_LINE + b"\r\n",
    "status": b"HTTP/1.1 2x0 " + ONE_LINE + b"\r\n",
    "name": b"HTTP/1.1 200 OK\r\n" + ONE_LINE + b": x\r\n",
    "value": b"HTTP/1.1 200 OK\r\nX-Evil: " + ONE_LINE + b"\r\n",
    "line": b"HTTP/1.1 200 OK\r\nX-Evil: " + ONE_LINE + b"\n::error::mine\n\r\n",
    "garbage": HOSTILE * 300 + b"\r\n",
}


@pytest.mark.parametrize("where", HEADS)
def test_hostile_answers(tmp_path, where):
    """Hostile bytes in a status line, a reason or a header, or before it all, are shown bounded and escaped."""
    assert ANSWER in solution(STEP)
    changed = f'return {HEADS[where]!r} + f"{{fields}}close\\r\\n\\r\\n".encode() + data, file, size'
    run, reports = graded(tmp_path, solution(STEP).replace(ANSWER, changed), STEP, "-k", "answers or strict")
    assert run.status == 1, run.out + run.err
    check_all(reports, 0, "fail")
    check_harmless(reports)
    assert_commands(reports)
    saw = [check["finding"]["saw"] for check in json.loads(reports["json"])["steps"][0]["checks"] if check["finding"]]
    assert saw and all(len(words) < 2000 for words in saw)
    assert "bytes more]" in saw[0] or "[...]" in saw[0] or where == "garbage", saw


def test_hostile_bodies(tmp_path):
    """Hostile bytes in place of a file's are shown around the first that differs."""
    reads = "data = os.read(fd, status.st_size)"
    assert reads in solution(STEP)
    changed = f"data = ({HOSTILE!r} * (status.st_size // 9 + 1))[: status.st_size]"
    run, reports = graded(tmp_path, solution(STEP).replace(reads, changed), STEP, "-k", "answers or contents")
    assert run.status == 1, run.out + run.err
    check_all(reports, 2, "fail")
    check_harmless(reports)
    assert_commands(reports)


def test_hostile_names(tmp_path):
    """A folder whose name holds control characters, commands, markup and bytes that are no UTF-8 is shown escaped."""
    folder = tmp_path / "a\n::error::mine\x1b[2J<script>```\udcff::set-output name=x::y,col=9%0A]]>"
    run, reports = graded(folder, server(), STEP, "-k", "answers or methods", GITHUB_WORKSPACE=str(tmp_path))
    assert run.status == 1, run.out + run.err
    check_all(reports, 2, "fail")
    check_harmless(reports)
    assert_commands(reports)
    assert "\\udcff" in json.loads(reports["json"])["steps"][0]["script"]
    run = tools.grade(STEP, "--submission", folder / "none")
    assert run.status == 2 and len(run.err.splitlines()) == 1 and "\x1b" not in run.err


@pytest.mark.parametrize("step", [STEP, "all"])
def test_interrupted(tmp_path, step):
    """A signal in mid-run ends all of it, and every report is written all the same and says what is missing."""
    paths = {name: tmp_path / name for name in FORMATS}
    given = [word for name, path in paths.items() for word in (f"--{name}", path)]
    command = tools.command(step, "--submission", REPOSITORY / "solutions", *given)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    run = subprocess.Popen(command, cwd=REPOSITORY, env=tools.environment(**CLASSROOM), **streams)
    next(line for line in run.stdout if " ok " in line)
    run.send_signal(signal.SIGINT)
    said = run.communicate(timeout=tools.PATIENT)[1]
    assert "Traceback" not in said and run.returncode == (2 if step == "all" else 1), said
    reports = {name: path.read_text("utf-8") for name, path in paths.items()}
    steps = json.loads(reports["json"])["steps"]
    check_all(reports, steps[0]["score"], "error" if step == "all" else "fail", full=100 * len(steps))
    assert steps[0]["interrupted"] and 0 < steps[0]["score"] < 100 and steps[0]["checks"][-1]["outcome"] == NOT_JUDGED
    assert len(steps) == (8 if step == "all" else 1)
    assert all("interrupted" in one["error"] for one in steps[1:])


def test_reader_that_leaves(tmp_path):
    """A reader of the terminal's text that leaves (as `| head -1`) keeps no report from being written."""
    command = tools.command(STEP, "--submission", REPOSITORY / "solutions", "--json", tmp_path / "x", "-k", "answers")
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    run = subprocess.Popen(command, cwd=REPOSITORY, env=tools.environment(), **streams)
    run.stdout.readline()
    run.stdout.close()
    assert run.stderr.read() == "" and run.wait(tools.PATIENT) == 0
    assert json.loads((tmp_path / "x").read_text())["score"] == 2


def result_of(*outcomes, **more):
    """A result with one check for each of these outcomes."""
    checks = [Check(f"c{n}", f"title {n}", 1, outcome=outcome, reason="why") for n, outcome in enumerate(outcomes)]
    return Result(STEP, "x", checks=checks, script="x/server.py", when="2026-01-01T00:00:00Z", **more)


def test_outcomes_in_junit():
    """Not run is skipped; not judged is an error; not started is a failure."""
    text = junit.render([result_of(PASSED, FAILED, NOT_STARTED, NOT_RUN, NOT_JUDGED)])
    kinds = [[child.tag for child in case] for case in ElementTree.fromstring(text).iter("testcase")]
    assert kinds == [[], ["failure"], ["failure"], ["skipped"], ["error"]]


def test_characters_of_xml():
    """Every character that XML forbids is shown escaped."""
    forbidden = [*range(0x20), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF]
    words = "".join(map(chr, set(forbidden) - {0x09, 0x0A}))
    result = result_of(FAILED)
    result.checks[0].finding = Finding("a", words, printed=words)
    case = next(ElementTree.fromstring(junit.render([result])).iter("testcase"))
    for shown in (case.findtext("failure"), case.findtext("system-out")):
        assert "\\x00" in shown and "\\udfff" in shown and "\\uffff" in shown and "\\r" in shown


def test_limits_of_annotations(monkeypatch):
    """Ten annotations at most, the last of which says how many more; messages are cut, and that is said."""
    monkeypatch.setenv("GITHUB_WORKSPACE", "/nowhere")
    result = result_of(*[FAILED] * 30)
    for check in result.checks:
        check.finding = Finding("a", "b%\r\n::" * 3000, line=7)
    lines = github.annotations([result])
    assert len(lines) == 10 and "21 more checks failed" in lines[-1]
    for line in lines:
        assert "\n" not in line and "\r" not in line and len(line.replace("%0A", "\n").replace("%25", "%")) < 4600
    assert ",line=7" in lines[0] and "characters in all" in lines[0]


def test_room_of_the_summary(tmp_path, monkeypatch):
    """What does not fit into the job's summary is named, and the whole stays below the limit."""
    monkeypatch.setattr(github, "LARGEST_SUMMARY", 20_000)
    path = tmp_path / "summary.md"
    path.write_text("x" * 10_000)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    small, large = result_of(PASSED), result_of(FAILED)
    large.checks[0].finding = Finding("a", "`" * 9000)
    github.write_summary([small, large])
    text = path.read_text()
    assert len(text) < 20_000 and "1 of 100 points" in text and f"No room was left for {STEP}" in text


def test_not_judged_is_a_warning():
    """A result with checks that were not judged is none: GitHub's reader is told to grade again."""
    lines = github.annotations([result_of(PASSED, NOT_JUDGED, NOT_JUDGED)])
    assert lines == [f"::warning title={STEP}%3A grade again::2 checks were not judged: why"]


def test_summary_is_markdown():
    """Headings, the next TODO, the table and the stories are what a Markdown parser takes them for."""
    result = result_of(PASSED, FAILED, todo="TODO 1: `x` <b> ```")
    result.checks[1].finding = Finding("a", "# no heading\n</details>\n```\n| a | b |")
    tokens = MarkdownIt("commonmark").enable("table").parse(github.render([result]))
    assert [token.content for token in tokens if token.type == "fence"] == [
        "TODO 1: `x` <b> ```\n",
        text.story(result.checks[1]) + "\n",
    ]
    assert sum(token.type == "tr_open" for token in tokens) == 3
    assert sum(token.type == "heading_open" for token in tokens) == 1


def test_fences():
    """A fence is longer than any run of backticks in what it holds."""
    assert github.fenced("a ````` b").startswith("``````text\n")


def test_cut_says_so():
    """Exercism's 500 characters are kept, and a cut is said."""
    short = exercism.cut("x" * 501, 500)
    assert len(short) <= 500 and short.endswith("[... 501 characters in all]")
    assert exercism.cut("x" * 500, 500) == "x" * 500


@pytest.mark.parametrize("name", FORMATS)
def test_paths_are_looked_at_first(tmp_path, name):
    """A report that cannot be written is said before anything is graded: 2, and one line."""
    run = tools.grade("01", f"--{name}", tmp_path, **CLASSROOM)
    assert run.status == 2 and run.err == f"--{name}: {tmp_path} is a folder; name a file\n" and not run.out


def test_one_file_for_two(tmp_path):
    """Two reports in one file are refused."""
    run = tools.grade("01", "--junit", tmp_path / "x", "--json", tmp_path / "x")
    assert run.status == 2 and "name the same file" in run.err and not run.out
    (tmp_path / "link").symlink_to(tmp_path)
    run = tools.grade("01", "--junit", tmp_path / "x", "--json", tmp_path / "link" / "x")
    assert run.status == 2 and "name the same file" in run.err and not run.out


def test_what_is_no_file_is_left_alone(tmp_path):
    """A report is not put in the place of a device, a FIFO or a terminal."""
    os.mkfifo(tmp_path / "fifo")
    for path in ("/dev/null", "/dev/stdout", tmp_path / "fifo"):
        assert "no regular file" in files.why_not_writable(Path(path)) or Path(path).is_file()
    run = tools.grade("01", "--json", "/dev/null")
    assert run.status == 2 and "no regular file" in run.err and stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_names_too_long(tmp_path):
    """A name that the file system does not take is refused before grading; the longest that it takes is written."""
    assert "too long" in files.why_not_writable(tmp_path / ("x" * 256))
    files.write_whole(tmp_path / ("x" * 255), "text")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["x" * 255]


def test_one_that_cannot_be_written(tmp_path, capsys, monkeypatch):
    """What cannot be written in the end (a full disk) is said in a line, and the others are written."""
    face = importlib.import_module("grader.__main__")
    options = face.arguments(["01", "--results", str(tmp_path / "a"), "--json", str(tmp_path / "b")])
    real = files.write_whole

    def full(path, words):
        if path.name == "a":
            raise OSError(28, "No space left on device")
        real(path, words)

    monkeypatch.setattr(files, "write_whole", full)
    assert not face.write_reports(options, [result_of(PASSED)])
    said = capsys.readouterr().err
    assert said == f"--results: {tmp_path / 'a'} could not be written: No space left on device\n"
    assert (tmp_path / "b").exists()


def test_classroom_needs_its_runner(tmp_path):
    """Outside Classroom 50 there is no result for it, and which variables are missing is said."""
    run = tools.grade("01", "--classroom", tmp_path / "x")
    assert run.status == 2 and "CLASSROOM, ASSIGNMENT" in run.err and not run.out


def test_the_schema_is_strict():
    """A result that lacks a field, or has a wrong outcome, is not valid."""
    schema = json.loads(records.SCHEMA_FILE.read_text("utf-8"))
    good = json.loads(records.render([result_of(PASSED)]))
    jsonschema.validate(good, schema)
    for change in ({"outcome": "fine"}, {"points": "1"}):
        bad = json.loads(json.dumps(good))
        bad["steps"][0]["checks"][0] |= change
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, schema)


def test_the_schema_describes_every_field():
    """Every field that is written is in the schema, and every field there is described, or is made of such."""
    schema = json.loads(records.SCHEMA_FILE.read_text("utf-8"))
    result = result_of(FAILED)
    result.checks[0].finding = Finding("a", "b")
    result.notes = result.checks[0].notes = ["n"]
    result.checks[0].finding.did, result.checks[0].finding.stood = ["d"], ["s"]
    result.checks[0].stories = [Story(1.0, 2.0, [(1.0, "client #1", "sent", "y")], [(1.0, ["z"])], 0, ["x"])]
    assert_described(schema, schema, json.loads(records.render([result])))


def assert_described(root, schema, value):
    schema = root["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    if isinstance(value, dict):
        assert value.keys() == schema["properties"].keys() == set(schema["required"])
        for name, item in value.items():
            inner = schema["properties"][name]
            assert inner.get("description") or "$ref" in inner.get("items", inner), name
            assert_described(root, inner, item)
    elif isinstance(value, list):
        assert value
        for item in value:
            assert_described(root, schema["items"], item)


def test_the_command_line_names_them():
    """`--help` names every format."""
    done = subprocess.run(tools.command("--help"), cwd=REPOSITORY, capture_output=True, text=True)
    assert all(f"--{name} FILE" in done.stdout for name in FORMATS)


@pytest.mark.parametrize("points", [7, 100, 0.5])
def test_points_are_scaled(points):
    """Two steps, one of them not begun: all points together are what was asked for, and the score is its part."""
    begun = Result("01_blocking", "x", checks=[Check("a", "A.", 30, outcome=PASSED), Check("b", "B.", 70)])
    data = json.loads(gradescope.render([begun, Result("02", "x")], points))
    assert data["score"] == pytest.approx(points * 30 / 200, abs=1e-4)
    assert sum(test["max_score"] for test in data["tests"]) == pytest.approx(points, abs=1e-3)
    assert data["tests"][-1]["output"] == "not judged: the run ended before"


def test_results_so_far(tmp_path):
    """While a step is graded --results is whole, and says what was judged and that the rest was not."""
    path = tmp_path / "results.json"
    command = tools.command(STEP, "--submission", REPOSITORY / "solutions", "--results", path)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    run = subprocess.Popen(command, cwd=REPOSITORY, env=tools.environment(), **streams)
    try:
        seen = [line.split()[1] for line in (next(line for line in run.stdout if " ok " in line) for _ in range(3))]
        worth = sum(int(points.split("/")[0]) for points in seen)
        data = tools.until(
            lambda: (found := json.loads(path.read_text("utf-8")))["score"] >= worth and found, "a score"
        )
    finally:
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=60)
    waiting = [test for test in data["tests"] if test["status"] != "passed"]
    assert waiting and {test["output"] for test in waiting} == {"not judged: the run ended before"}
    assert f"{len(waiting)} checks were not judged" in data["output"]


def test_several_steps_and_no_points(tmp_path):
    """Steps with commas are graded one after the other; a wrong number of points is a line."""
    folder = submission(tmp_path / "submission", {})
    done = tools.grade("01,2,1", "--submission", folder, results=tmp_path / "results.json")
    assert done.status == 2 and [test["name"][:3] for test in done.results["tests"]] == ["01_", "02_", "01_"]
    done = tools.grade(
        "01,02", "--submission", REPOSITORY / "solutions", "--within", "1", results=tmp_path / "out.json"
    )
    assert done.status == 1 and done.results["score"] == 0 and {*done.outcomes().values()} == {NOT_JUDGED}
    assert all("out of time" in test["output"] for test in done.results["tests"])
    done = tools.grade("01", "--points", "none")
    assert done.status == 2 and "'none' is no number of points" in done.err.splitlines()[-1]
