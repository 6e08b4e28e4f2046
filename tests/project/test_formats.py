"""Every report is whole, valid for who reads it, and holds of a submission's output its escaped excerpt only."""

import json
import re
import subprocess
from xml.etree import ElementTree

import jsonschema
import junitparser
import pytest
import tools
from tools import REPOSITORY, solution, submission

from grader.finding import Finding
from grader.record import FAILED, NOT_JUDGED, NOT_RUN, NOT_STARTED, PASSED, Check, Result
from grader.report import exercism, github, junit, records

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
BUG = ('path = resolve(root, target) if method == b"GET" else None', "path = resolve(root, target) if method else None")
ANOTHER = ('elif method != b"GET":', 'elif method not in (b"GET", b"POST"):')


def server(prelude="pass", each="pass"):
    """The solution with a bug, which prints something first, and something for each request."""
    text = solution(STEP)
    assert BUG[0] in text and ANOTHER[0] in text
    text = text.replace(BUG[0], f"{BUG[1]}; {each}").replace(*ANOTHER)
    return text.replace('if __name__ == "__main__":\n', f'if __name__ == "__main__":\n    {prelude}\n')


def graded(folder, text, step=STEP, *options, **more):
    """Grade a server with all reports at once: what was said, and name -> text of each report."""
    (folder / "reports").mkdir(parents=True)
    source = submission(folder / "submission", {step: text})
    paths = {name: folder / "reports" / name for name in FORMATS}
    given = [word for name, path in paths.items() for word in (f"--{name}", str(path))]
    summary = folder / "summary.md"
    actions = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary), "GITHUB_WORKSPACE": str(folder)}
    run = tools.grade(step, "--submission", source, *given, *options, **CLASSROOM, **actions, **more)
    found = {name: path.read_text("utf-8") for name, path in paths.items()}
    return run, {**found, "summary": summary.read_text("utf-8"), "stdout": run.out}


def check_all(reports, score, status):
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
    assert fifty["schema"] == "classroom50/result/v1" and fifty["score"] == score and fifty["max-score"] == 100
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
    assert "POST is not GET" in errors[0]
    assert f"## {STEP}: 2 of 100 points" in reports["summary"]


def test_nothing_to_grade(tmp_path):
    """Nothing could be graded: every report says so, and is valid."""
    run, reports = graded(tmp_path, "", "02_multiprocess", "-k", "(")
    assert run.status == 2
    check_all(reports, 0, "error")
    for name, text in reports.items():
        if name != "stdout":
            assert "is no expression of names" in text, name
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
    if name == "html":
        text = re.sub(r"<dt>printed</dt>\s*<dd>.*?</dd>", "", text, flags=re.S)
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
    for name, text in reports.items():
        assert len(text) < 200_000, name
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u202e\ufeff\ufffe]", text), name
        assert ("&lt;script&gt;" in text or "<script>alert" in text) == (name != "classroom"), name
        mine, theirs = without_excerpt(name, text), without_excerpt(name, silent[name])
        assert mine == theirs, name
    allowed = re.compile(r"::(stop-commands::[0-9a-f]{32}|[0-9a-f]{32}::|error .*|error::.*)")
    commands = [line.strip() for line in reports["stdout"].splitlines() if line.strip().startswith("::")]
    assert all(allowed.fullmatch(line) for line in commands), commands
    token = commands[0].removeprefix("::stop-commands::")
    assert len(token) == 32 and commands[1] == f"::{token}::" and commands[2].startswith("::error file=")


def result_of(*outcomes, **more):
    """A result with one check for each of these outcomes."""
    checks = [Check(f"c{n}", f"title {n}", 1, outcome=outcome, reason="why") for n, outcome in enumerate(outcomes)]
    return Result(STEP, "x", checks=checks, script="x/server.py", when="2026-01-01T00:00:00Z", **more)


def test_outcomes_in_junit():
    """Not run is skipped; not judged is an error; not started is a failure."""
    text = junit.render([result_of(PASSED, FAILED, NOT_STARTED, NOT_RUN, NOT_JUDGED)])
    kinds = [[child.tag for child in case] for case in ElementTree.fromstring(text).iter("testcase")]
    assert kinds == [[], ["failure"], ["failure"], ["skipped"], ["error"]]


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


def test_the_command_line_names_them():
    """`--help` names every format."""
    done = subprocess.run(tools.command("--help"), cwd=REPOSITORY, capture_output=True, text=True)
    assert all(f"--{name} FILE" in done.stdout for name in FORMATS)
