"""Plain pytest on the suites, as people and editors run it; and the grader's own run, which nobody configures."""

import json
import re
import subprocess
import sys

import corpus
import junitparser
import pytest
import tools
from test_ledger import BEGIN, STEP, line
from tools import REPOSITORY, submission

pytestmark = pytest.mark.usefixtures("temporary")
STALLS = "wrong/05_nonblocking/clients_left_blocking"
SUITE = "tests/test_05_nonblocking.py"
EVIL = "raise SystemExit('taken for ours')\n"


def wrong(name):
    return next(entry.source for entry in corpus.entries() if entry.name == name)


def run(*words, cwd=REPOSITORY, status=0, **more):
    """`python -m pytest WORDS`; what it printed, errors too."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *map(str, words)]
    given = tools.environment(COLUMNS="300", **more)
    done = subprocess.run(command, cwd=cwd, env=given, capture_output=True, encoding="utf-8", timeout=110)
    said = done.stdout + done.stderr
    assert done.returncode == status, said
    assert "Traceback" not in said and not re.search(r"grader/\w+\.py:\d+", said), said
    return said


def test_a_failed_check_is_a_failed_test(tmp_path):
    """From elsewhere, with absolute paths: the finding and no traceback, its cause in a line, and the points."""
    folder = submission(tmp_path / "mine", {"05_nonblocking": wrong(STALLS)})
    report = tmp_path / "junit.xml"
    nodes = [f"{REPOSITORY / SUITE}::test_{name}" for name in ("answers", "stalled")]
    said = run("--submission", folder.name, *nodes, "-v", "--junitxml", report, cwd=tmp_path, status=1)
    assert re.search(r"::test_answers PASSED .*\n.*::test_stalled FAILED", said)
    assert re.search(r"FAILED .*::test_stalled - expected 200", said)
    assert "    look at   whom does the server wait for" in said and "server.py line" in said
    assert "05_nonblocking: 2 of 10 points (of 100, the others were not selected)" in said
    cases = {case.name: case for suite in junitparser.JUnitXml.fromfile(report) for case in suite}
    assert cases["test_answers"].is_passed and cases["test_stalled"].is_failure
    assert cases["test_stalled"].result[0].message.startswith("expected 200")
    assert "look at   whom does the server wait for" in cases["test_stalled"].result[0].text


def test_two_suites_by_two_workers(tmp_path):
    """A step is for one worker; points come together; a stretch check that fails is no failure."""
    servers = {"06_keepalive": tools.solution("06_keepalive"), "05_nonblocking": wrong(STALLS)}
    folder = submission(tmp_path / "mine", servers)
    chosen = "answers or idle_ends or (test_stalled and not readers)"
    said = run(SUITE, "tests/test_06_keepalive.py", "-v", "-n2", "-k", chosen, f"--submission={folder}", status=1)
    worker = dict(re.findall(r"^\[(gw\d)\] .* (?:PASSED|FAILED|XFAIL) tests/(test_0\d)", said, re.M))
    assert sorted(worker.values()) == ["test_05", "test_06"], said
    assert "05_nonblocking: 2 of 10 points" in said
    assert re.search(r"06_keepalive: 5 of 5 points.*, and 0 of 1 stretch checks", said)
    assert re.search(r"1 failed, 3 passed, 1 xfailed", said)


def test_what_has_not_begun_is_skipped_and_no_success(tmp_path):
    """A skeleton: the gate says which TODO is next, the others need it; the status is that of failed tests."""
    said = run(SUITE, "-rs", f"--submission={REPOSITORY / 'steps'}", status=1)
    assert re.search(r"SKIPPED \[1\] tests/test_05_nonblocking.py:\d+: not started: TODO 1", said)
    assert re.search(r"SKIPPED \[39\] tests/test_05_nonblocking.py:\d+: not run: because 'answers' failed", said)
    assert "05_nonblocking: 0 of 100 points" in said


def test_only_looked_at():
    """--collect-only starts nothing, needs no submission of that step, and has the place of each line."""
    said = run("tests", "--collect-only", "-q", f"--submission={REPOSITORY / 'html'}")
    assert len(re.findall(r"^tests/test_0\d_\w+\.py::test_\w+$", said, re.M)) == int(re.search(r"(\d+) tests", said)[1])
    assert "tests/project" not in said and "Eight Servers" not in said
    assert set(re.findall(r"test_(0\d)_", said)) == {f"0{number}" for number in range(1, 9)}


def test_nothing_to_grade(tmp_path):
    """No such folder is an error of usage; no server.py in it is a failure of the step's first test."""
    said = run(SUITE, "--submission=nowhere", status=4)
    assert "nowhere is not there; give a folder that holds NN_name/server.py" in said
    said = run(SUITE, f"--submission={tmp_path}", status=1)
    assert re.search(r"FAILED .*::test_answers - .*server.py is not there", said)
    assert "1 failed, 39 skipped" in said and "05_nonblocking: nothing could be graded" in said


def test_what_lies_in_a_submission_configures_nothing(tmp_path):
    """As `--submission DIR`, which pytest reads as a path until it knows the option: nothing there is taken."""
    folder = submission(tmp_path / "mine", {"05_nonblocking": tools.solution("05_nonblocking")})
    for place in (folder, folder / "05_nonblocking"):
        for name in ("conftest.py", "sitecustomize.py", "test_mine.py"):
            (place / name).write_text(EVIL)
        for name in ("pytest.ini", "tox.ini"):
            (place / name).write_text("[pytest]\naddopts = --collect-only\n")
    said = run(f"{SUITE}::test_answers", "--submission", folder)
    assert "05_nonblocking: 2 of 2 points" in said and "taken for ours" not in said


def test_another_configuration_is_refused(tmp_path):
    """One that pytest finds above what it was given: a line says what to do."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    elsewhere = tmp_path / "test_elsewhere.py"
    elsewhere.write_text("def test_it(): pass\n")
    said = run(elsewhere, REPOSITORY / SUITE, "-k", "answers", status=4)
    assert f"say -c {REPOSITORY / 'tox.ini'}" in said


def test_a_line_may_be_lost_later(tmp_path):
    """What another check shows of a line that has passed: its test has failed after all, and only that counts."""
    folder = submission(tmp_path / "mine", {STEP: wrong("wrong/01_blocking/empty_is_missing")})
    path = tmp_path / "test_made_up.py"
    path.write_text(
        f"{BEGIN}line('answers', 2)\n{line('contents', 'a_page')}{line('strict', 'an_empty_file')}", "utf-8"
    )
    program = f"import pathlib, sys, pytest, grader.playing, grader.plain\npath = pathlib.Path({str(path)!r})\n"
    program += f"grader.plain.SUITES = {{path: {STEP!r}}}\ngrader.plain.suite = lambda step: path\n"
    program += f"sys.exit(pytest.main(['-c', 'tox.ini', '-v', '--submission={folder}', str(path)]))\n"
    given = tools.environment(PLAYED=str(tmp_path / "played"))
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, env=given, capture_output=True, text=True)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"test_contents PASSED[^!]*test_strict PASSED[^!]*test_contents FAILED", done.stdout), done.stdout
    assert "1 failed, 2 passed" in done.stdout and "01_blocking: 12 of 22 points" in done.stdout


def test_a_signal_leaves_nothing(tmp_path, temporary):
    """Editors stop a run by SIGTERM: the server that is graded ends with it."""
    words = [SUITE, "--submission=solutions", "-p", "no:cacheprovider"]
    with open(tmp_path / "out", "w") as out:
        graded = subprocess.Popen([sys.executable, "-m", "pytest", *words], cwd=REPOSITORY, stdout=out)
        tools.until(lambda: tools.processes_of(temporary), "a server")
        graded.terminate()
        assert graded.wait(60) == pytest.ExitCode.INTERRUPTED
    tools.assert_clean(temporary)


def test_settings_of_an_editor():
    """What .vscode/ names is there: the interpreter of tox, the suites, the steps, a task for each."""
    read = {}
    for path in (REPOSITORY / ".vscode").iterdir():
        read[path.name] = json.loads(re.sub(r"^\s*//.*$", "", path.read_text(), flags=re.M))
    assert set(read) == {"settings.json", "tasks.json", "launch.json", "extensions.json"}
    assert read["settings.json"]["python.testing.pytestArgs"] == ["tests"]
    tasks = [task["command"] for task in read["tasks.json"]["tasks"]]
    assert tasks == [f"./toxw -e step{step[:2]}" for step in tools.STEPS]
    programs = {config["program"] for config in read["launch.json"]["configurations"]}
    asked = read["launch.json"]["inputs"][0]
    named = {program.replace(f"${{input:{asked['id']}}}", step) for program in programs for step in asked["options"]}
    servers = {f"${{workspaceFolder}}/steps/{step}/server.py" for step in tools.STEPS}
    assert named == servers
    assert all(config["args"] == ["--port", "7890"] for config in read["launch.json"]["configurations"])
