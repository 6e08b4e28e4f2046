"""`python -m grader` as a user sees it: exit status, one line of why, results, and a clean machine afterwards."""

import itertools
import json
import os
import re
import signal
import socket
import subprocess
import time
from contextlib import suppress

import pytest
import tools
from tools import REPOSITORY, grade, solution, submission

from grader.turns import turn

pytestmark = pytest.mark.usefixtures("temporary")


STEP = "01_blocking"
MAIN = "    main()\n"
LISTENS = """\
import argparse, os, socket, signal, subprocess, sys, threading, time
parser = argparse.ArgumentParser()
for name in ("--host", "--port", "--root"):
    parser.add_argument(name)
args = parser.parse_args()
"""


def with_prelude(code, step=STEP):
    """The solution, which does something else first."""
    text = solution(step)
    assert text.endswith(MAIN)
    return text.removesuffix(MAIN) + "".join(f"    {line}\n" for line in code.splitlines()) + MAIN


def assert_valid(data, full=100):
    """The fields that Gradescope reads, as its specification has them, and no others at the top."""
    assert set(data) <= {
        "score",
        "execution_time",
        "output",
        "output_format",
        "visibility",
        "tests",
        "extra_data",
    }
    assert isinstance(data["score"], (int, float)) and 0 <= data["score"] <= full
    assert isinstance(data["execution_time"], (int, float)) and isinstance(data["output"], str)
    assert isinstance(data["tests"], list) and data["tests"]
    fields = {"name": str, "status": str, "output": str}
    others = {"score", "max_score", "tags", "extra_data", "number", "visibility", "output_format"}
    earned = 0
    for test in data["tests"]:
        assert set(test) <= {*fields, *others}
        for name, kind in fields.items():
            assert isinstance(test[name], kind), name
        assert isinstance(test.get("tags", []), list) and isinstance(test.get("extra_data", {}), dict)
        assert test["status"] in ("passed", "failed")
        assert ("score" in test) == ("max_score" in test)
        if "score" in test:
            assert 0 <= test["score"] <= test["max_score"]
            earned += test["score"]
        assert test["status"] == "passed" or test["output"] or "score" not in test
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", test["output"] + test["name"])
    assert sum(test.get("max_score", 0) for test in data["tests"]) == full
    assert data["score"] == earned


def graded(tmp_path, source, *options, status, patience="1", step=STEP):
    """Grade a program text; demand the exit status, valid results, and no traceback of the grader's own."""
    folder = submission(tmp_path / "handed in", {step: source})
    run = grade(step, "--submission", folder, *options, results=tmp_path / "results.json", patience=patience)
    assert run.status == status, run.out + run.err
    assert_valid(run.results)
    assert "Traceback" not in run.err and "INTERNALERROR" not in run.out
    return run


def refused(run, why):
    """Nothing could be graded: status 2, one line on stderr that says why, and results that say it too."""
    assert run.status == 2, run.out + run.err
    assert len(run.err.splitlines()) == 1 and why in run.err, run.err
    assert run.out == ""
    assert_valid(run.results)
    assert run.results["score"] == 0 and why in run.results["output"]


# Nothing can be graded


def test_no_folder(tmp_path):
    """A folder that is not there: 2, and a line that names it."""
    refused(grade("01", "--submission", tmp_path / "none", results=tmp_path / "r.json"), "none is no folder")


def test_submission_is_a_file(tmp_path):
    """A submission that is a file: 2."""
    (tmp_path / "file").write_text("")
    refused(grade("01", "--submission", tmp_path / "file", results=tmp_path / "r.json"), "file is no folder")


@pytest.mark.parametrize("made", ["", "02_multiprocess", "01_blocking"])
def test_no_server(tmp_path, made):
    """An empty folder, another step's folder only, or a step's folder with nothing in it: 2."""
    (tmp_path / "submission" / made).mkdir(parents=True)
    run = grade("01", "--submission", tmp_path / "submission", results=tmp_path / "r.json")
    refused(run, "01_blocking/server.py is not there")


@pytest.mark.parametrize("name", ["09", "0", "x", "05_", "step", "05_blocking", "../01", "-1"])
def test_unknown_step(tmp_path, name):
    """A step that there is not: 2, whatever it is called."""
    run = grade("--submission", REPOSITORY / "solutions", "--results", tmp_path / "r.json", "--", name)
    assert run.status == 2 and "there is no step" in run.err.splitlines()[-1]
    assert "Traceback" not in run.err


@pytest.mark.parametrize("arguments", [[], ["01", "02"], ["01", "--subm", "x"], ["01", "--results"]])
def test_bad_arguments(arguments):
    """Bad arguments: 2, and a line says what is bad."""
    run = grade(*arguments, TOX_ENV_NAME="")
    assert run.status == 2 and run.out == ""
    assert run.err.startswith("python -m grader: ") and len(run.err.splitlines()) == 1


@pytest.mark.parametrize("value", ["x", "0", "-1", "nan"])
def test_bad_patience(value):
    """A variable EIGHT_SERVERS_PATIENCE that is no number above 0: 2, and the line names it."""
    run = grade("01", patience=value)
    assert run.status == 2 and "EIGHT_SERVERS_PATIENCE" in run.err and len(run.err.splitlines()) == 1


@pytest.mark.parametrize("name", ["1", "01", "step01", "01_blocking"])
def test_names_of_a_step(tmp_path, name):
    """A step is named by its number, with or without a zero or the word, or by its folder."""
    run = grade(name, "--submission", REPOSITORY / "steps", "-k", "answers", results=tmp_path / "r.json")
    assert run.status == 1 and run.results["extra_data"]["step"] == STEP


@pytest.mark.parametrize("kind", ["directory", "fifo", "broken link", "socket"])
def test_server_is_no_file(tmp_path, kind):
    """A server.py that is a folder, a FIFO, a socket or a link to nothing: 2, at once."""
    path = tmp_path / "submission" / STEP / "server.py"
    path.parent.mkdir(parents=True)
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        os.mknod(path, 0o140600)
    else:
        path.symlink_to("nothing")
    run = grade("01", "--submission", tmp_path / "submission", results=tmp_path / "r.json")
    refused(run, "is not a regular file")


# Servers that do not serve


def test_syntax_error(tmp_path):
    """A file that does not parse: 1 and no points, the error in the words of Python, the rest not run."""
    run = graded(tmp_path, "def broken(:\n", status=1)
    assert run.results["score"] == 0 and "SyntaxError" in run.out
    outcomes = run.outcomes()
    assert outcomes.pop("answers") == "failed" and set(outcomes.values()) == {"not run"}


@pytest.mark.parametrize("text", ["", "print('hello')\n", "import sys\nsys.exit(3)\n", "import nothing_like_this\n"])
def test_ends_at_once(tmp_path, text):
    """A server that ends at once: 1, and it is said that it ended."""
    run = graded(tmp_path, text, status=1)
    assert run.results["score"] == 0 and "the server has ended" in run.out


def test_killed_at_once(tmp_path):
    """A server that kills itself: 1, and the signal is named."""
    run = graded(tmp_path, "import os\nos.kill(os.getpid(), 11)\n", status=1)
    assert "killed by signal 11" in run.out


def test_not_utf8(tmp_path):
    """A file that is no UTF-8, and holds a NUL byte: 1, as any other that does not run."""
    folder = submission(tmp_path / "submission", {STEP: ""})
    (folder / STEP / "server.py").write_bytes(b"# \xff\xfe\nprint(1)\n\0")
    run = grade("01", "--submission", folder, results=tmp_path / "r.json")
    assert run.status == 1 and run.results["score"] == 0
    assert_valid(run.results)


def test_naps_instead_of_listening(tmp_path):
    """A server that naps and never listens is given up when the patience is gone, and that is said."""
    text = "import time\nwhile True:\n    time.sleep(0.3)\n"
    run = graded(tmp_path, text, status=1, patience="0.1")
    assert "no listening socket" in run.out and "the deadline has passed" in run.out


def test_sleeps_instead_of_listening(tmp_path):
    """A server in a sleep that outlasts every patience is not waited for."""
    run = graded(tmp_path, "import time\ntime.sleep(100_000)\n", status=1)
    assert "no listening socket" in run.out and "the deadline" not in run.out
    assert "(a nap" in run.out or "asleep in select" in run.out


def test_blocks_instead_of_listening(tmp_path):
    """A server that waits for a lock that nobody will release is proven stuck."""
    run = graded(tmp_path, "import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()\n", status=1)
    assert "no listening socket" in run.out and "the deadline" not in run.out
    assert "asleep in futex" in run.out


def test_binds_and_does_not_listen(tmp_path):
    """A bound socket is not a listening one."""
    text = LISTENS + "s = socket.socket()\ns.bind((args.host, 0))\nthreading.Event().wait()\n"
    run = graded(tmp_path, text, status=1)
    assert "no listening socket" in run.out and "the deadline" not in run.out


def test_never_answers(tmp_path):
    """A server that accepts and reads, and never answers, is proven stuck, and where it sleeps is said."""
    text = LISTENS + "s = socket.create_server((args.host, int(args.port)))\nkept = []\n"
    text += "while True:\n    kept.append(s.accept()[0])\n    kept[-1].recv(65536)\n"
    run = graded(tmp_path, text, status=1)
    assert "not one byte came" in run.out and "the deadline" not in run.out
    assert re.search(r"asleep in accept4? on descriptor \d+: the listener", run.out)


# Servers that do more than to serve


@pytest.mark.parametrize("end", ["", "\nfor n in (1, 2):\n    os.dup2(os.open(os.devnull, os.O_RDWR), n)"])
def test_prints_100_mb(tmp_path, end):
    """A server that prints 100 MB before it serves, or closes its output then, gets its points."""
    code = "for _ in range(1000):\n    os.write(1, b'x' * 99999 + bytes([10]))" + end
    run = graded(tmp_path, with_prelude(code), "-k", "answers or contents", status=0)
    assert run.results["score"] == 4
    assert len(run.out) < 20000


def test_prints_what_acts_on_terminals(tmp_path):
    """Control characters that a server prints reach neither the terminal nor the results."""
    text = "import sys\nsys.stdout.buffer.write(b'\\x1b[2J\\x07\\x9b\\xff\\x00\\xe2\\x80\\xae\\n')\n"
    text += "sys.exit('\\x1b[31mred')\n"
    run = graded(tmp_path, text, status=1)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", run.out)
    assert "\\x1b[31mred" in run.out


def test_pretends_to_be_the_grader(tmp_path):
    """What a server prints is never taken for a result."""
    text = "print('      ok      2/2  It starts, listens, and answers a client.')\n"
    text += "print('01_blocking: 100 of 100 points')\n"
    run = graded(tmp_path, text, status=1)
    assert run.results["score"] == 0 and "01_blocking: 0 of 100 points" in run.out


def test_forks_daemons(tmp_path):
    """Daemons that a server leaves, in sessions of their own, are ended with it."""
    code = "for _ in range(3):\n    if os.fork() == 0:\n        os.setsid()\n"
    code += "        if os.fork() == 0:\n            time.sleep(1000)\n        os._exit(0)"
    run = graded(tmp_path, with_prelude(code), "-k", "answers or contents or missing", status=0)
    assert run.results["score"] == 7


def test_ignores_signals(tmp_path):
    """A server that ignores SIGTERM and SIGINT loses the points for that, and is ended all the same."""
    code = "signal.signal = lambda *_: None\nimport _signal\n"
    code += "for n in (1, 2, 3, 15):\n    _signal.signal(n, _signal.SIG_IGN)"
    run = graded(tmp_path, with_prelude(code), "-k", "answers or signals", status=1, patience="0.1")
    assert run.outcomes()["signals"] == "failed" and run.outcomes()["answers"] == "passed"


def test_deletes_its_folder(tmp_path):
    """A server that deletes the folder it runs from keeps its points, and the learner's file survives."""
    code = "import os, shutil\nshutil.rmtree(os.path.dirname(__file__))\nshutil.rmtree(os.getcwd(), ignore_errors=True)"
    source = with_prelude(code)
    run = graded(tmp_path, source, "-k", "answers or contents or restart", status=0)
    assert run.results["score"] == 6
    assert (tmp_path / "handed in" / STEP / "server.py").read_text() == source


def test_reads_what_lies_beside(tmp_path):
    """A server may import what lies beside it; pytest's and Python's own settings there have no effect."""
    folder = submission(tmp_path / "submission", {STEP: "from beside import main\nmain()\n"})
    (folder / STEP / "beside.py").write_text(solution(STEP))
    for name in ("conftest.py", "sitecustomize.py", "usercustomize.py", "test_01_blocking.py"):
        (folder / STEP / name).write_text("raise SystemExit('taken for ours')\n")
        (folder / name).write_text("raise SystemExit('taken for ours')\n")
    for name in ("pytest.ini", "tox.ini"):
        (folder / STEP / name).write_text("[pytest]\naddopts = --collect-only\n")
        (folder / name).write_text("[pytest]\naddopts = --collect-only\n")
    run = grade("01", "--submission", folder, "-k", "answers or contents", results=tmp_path / "r.json")
    assert run.results["score"] == 4, run.out


def test_server_is_a_link(tmp_path):
    """A server.py that is a link is not followed, wherever it leads, and the file is as it was."""
    (tmp_path / "submission" / STEP).mkdir(parents=True)
    real = tmp_path / "submission" / "mine.py"
    real.write_text(solution(STEP))
    (tmp_path / "submission" / STEP / "server.py").symlink_to(real)
    run = grade("01", "--submission", tmp_path / "submission")
    assert run.status == 2 and "is not a regular file but a symbolic link" in run.err + run.out
    assert real.read_text() == solution(STEP)


def test_path_with_spaces_and_other_tongues(tmp_path):
    """Folders whose names hold spaces, quotes, dashes and letters beyond ASCII are graded, and written to."""
    folder = submission(tmp_path / "Übung 1 'eins' 作业 -k x", {STEP: solution(STEP)})
    results = tmp_path / "neue Ergebnisse/é ü.json"
    run = grade("01", "--submission", folder, "-k", "answers", results=results)
    assert run.results["score"] == 2, run.out + run.err
    assert [path.name for path in results.parent.iterdir()] == [results.name]


def test_locale_without_utf8(tmp_path):
    """A terminal that is not UTF-8 ends no run."""
    folder = submission(tmp_path / "Übung 作业", {STEP: "print('作业 é'); raise SystemExit('é')\n"})
    more = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}
    run = grade("01", "--submission", folder, results=tmp_path / "r.json", **more)
    assert run.status == 1, run.out + run.err
    assert "Traceback" not in run.err


# The whole run and its results


def test_all_points(tmp_path):
    """The reference earns 100 points: 0, every check passed, and each of them said in a line of its own."""
    run = graded(tmp_path, solution(STEP), status=0)
    assert run.results["score"] == 100 and set(run.outcomes().values()) == {"passed"}
    for test in run.results["tests"]:
        assert test["name"] in run.out


def test_skeleton(tmp_path):
    """The skeleton earns nothing, and the last lines are about its first TODO."""
    source = (REPOSITORY / "steps" / STEP / "server.py").read_text()
    run = graded(tmp_path, source, status=1)
    assert run.results["score"] == 0 and run.outcomes()["answers"] == "not started"
    assert run.out.splitlines()[-2].startswith("next: TODO 1: ")
    assert run.out.splitlines()[-1].startswith("try: `./toxw -e step01 -- --submission ")
    assert "next: TODO 1: " in run.results["output"]


def test_one_check_alone(tmp_path):
    """`-k NAME` grades one check: 0 if it passes; the others are reported as not selected, and earn nothing."""
    run = graded(tmp_path, solution(STEP), "-k", "contents", status=0)
    assert run.out.splitlines()[-1].startswith("next: that passes; now the whole step: `./toxw -e step01 -- --subm")
    outcomes = run.outcomes()
    assert outcomes.pop("contents") == "passed" and set(outcomes.values()) == {"not run"}
    assert run.results["score"] == 2


def test_stretch_checks_come_last(tmp_path):
    """Once a point is lost the stretch checks are not run, and the summary says why; by name they can be had."""
    wrong = solution(STEP).replace('method == b"GET"', "True").replace('method != b"GET"', "False")
    run = graded(tmp_path, wrong, "-k", "other_methods or ends_in_service", status=1)
    assert run.outcomes()["ends_in_service"] == "not run"
    assert "1 check was not run: stretch checks come when all the points are there" in run.out
    run = graded(tmp_path, wrong, "-k", "ends_in_service", status=0)
    assert run.outcomes()["ends_in_service"] == "passed"


def test_children_that_nobody_waits_for_are_a_note(tmp_path):
    """multiprocessing reaps at its next start(): no point is lost by leaving it to that, and it is said."""
    reaps = "    multiprocessing.active_children()  # does that on the side, says its documentation"
    for source, said in (
        (solution("02_multiprocess"), False),
        (solution("02_multiprocess").replace(reaps, "    pass"), True),
    ):
        run = graded(tmp_path / str(said), source, "-k", "zombies_at_once", status=0, step="02_multiprocess")
        assert ("nobody waited for the children" in run.out) == said, run.out


def test_one_that_refuses_everything(tmp_path):
    """A server that answers 400 to all is judged, whatever is asked of the order in which clients are answered."""
    wrong = solution(STEP).replace("return inbox.partition(BLANK_LINE)[0]", "return inbox")
    run = graded(tmp_path, wrong, "-k", "one_at_a_time or contents", status=1)
    assert "the grader's own fault" not in run.out and run.outcomes()["contents"] == "failed", run.out


def test_every_check_works_alone(tmp_path):
    """`-k patience` grades that check too, though no other has gone before it."""
    run = graded(tmp_path, solution(STEP), "-k", "patience", status=0)
    assert run.outcomes()["patience"] == "passed"


def test_selection_of_nothing(tmp_path):
    """A `-k` that is in no name: 2, and the names that there are."""
    folder = submission(tmp_path / "submission", {STEP: solution(STEP)})
    run = grade("01", "--submission", folder, "-k", "nosuch", results=tmp_path / "r.json")
    assert run.status == 2 and "they are: answers, one_thread, one_at_a_time, " in run.err, run.err
    assert len(run.err.splitlines()) == 1 and "nosuch" in run.results["output"]


def test_all_steps_of_a_part(tmp_path):
    """`all -k NAME` grades the steps that have such a check."""
    run = grade("all", "--submission", REPOSITORY / "solutions", "-k", "zombies_in_a_row", results=tmp_path / "r.json")
    assert run.status == 0 and not run.err and "next: that passes" in run.out, run.out + run.err
    assert run.results["extra_data"]["step"] == "02_multiprocess"


def test_selection_that_is_no_expression(tmp_path):
    """A `-k` that pytest cannot read is a bad argument: 2."""
    folder = submission(tmp_path / "submission", {STEP: solution(STEP)})
    run = grade("01", "--submission", folder, "-k", "and (", results=tmp_path / "r.json")
    assert run.status == 2, run.out
    assert_valid(run.results)


def test_all_steps(tmp_path):
    """`all` grades every step, says the sum, and writes one result for all of them."""
    folder = submission(tmp_path / "submission", dict.fromkeys(tools.STEPS, "raise SystemExit(3)\n"))
    run = grade("all", "--submission", folder, results=tmp_path / "r.json")
    assert run.status == 1 and "all steps: 0 of 800 points" in run.out, run.err
    assert_valid(run.results, full=800)
    for step in tools.STEPS:
        assert f"{step}: 0 of 100 points" in run.out


def test_results_are_whole_or_not_there(tmp_path, temporary):
    """A grader that is killed in mid-run (SIGKILL) leaves what was judged so far, whole."""
    results = tmp_path / "results.json"
    results.write_text("old")
    run = subprocess.Popen(
        tools.command(STEP, "--submission", REPOSITORY / "solutions", "--results", results),
        cwd=REPOSITORY,
        env=tools.environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        first, _ = itertools.islice((line for line in run.stdout if " ok " in line), 2)
        assert "It starts" in first  # it is written once that is said, and before the next is
    finally:
        run.kill()
        run.communicate()
    assert_valid(found := json.loads(results.read_text("utf-8")))
    assert found["score"] >= 2 and "not judged" in results.read_text("utf-8")
    assert [path.name for path in tmp_path.iterdir() if "results" in path.name] == ["results.json"]
    with suppress(AssertionError):  # nobody can clean up after SIGKILL: the test does
        tools.assert_clean(temporary)


def test_results_cannot_be_written(tmp_path):
    """Results that cannot be written, since a folder is in the way: said in a line, without a traceback."""
    (tmp_path / "r.json").mkdir()
    run = subprocess.run(
        tools.command("01", "--submission", REPOSITORY / "steps", "--results", tmp_path / "r.json"),
        cwd=REPOSITORY,
        env=tools.environment(),
        capture_output=True,
        text=True,
    )
    assert run.returncode == 2 and "Traceback" not in run.stderr
    assert list(tmp_path.glob(".r.json*")) == []


def test_closed_output(tmp_path):
    """A reader of our output that leaves (as `| head -1`) leaves no process and no folder behind."""
    run = subprocess.Popen(
        tools.command("01", "--submission", REPOSITORY / "solutions"),
        cwd=REPOSITORY,
        env=tools.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    run.stdout.readline()
    run.stdout.close()
    assert run.wait(tools.PATIENT) is not None


@pytest.mark.parametrize("numbers", ["INT", "TERM", "HUP", "INT INT", "TERM TERM TERM"])
def test_interrupted(tmp_path, temporary, numbers):
    """A signal in mid-run, or several, ends the grader and all it has started; results are whole or absent."""
    results = tmp_path / "r.json"
    run = subprocess.Popen(
        tools.command("02", "--submission", REPOSITORY / "solutions", "--results", results),
        cwd=REPOSITORY,
        env=tools.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    next(line for line in run.stdout if " ok " in line)
    for name in numbers.split():
        run.send_signal(getattr(signal, f"SIG{name}"))
    said = run.communicate(timeout=tools.PATIENT)[1]
    assert run.returncode not in (0, 2) and "Traceback" not in said, said
    if results.exists():
        assert_valid(json.loads(results.read_text()))
    tools.assert_clean(temporary)


def test_impatient_person(tmp_path, temporary):
    """Ctrl-C a hundred times a second until the grader ends: nothing is left either."""
    run = subprocess.Popen(
        tools.command("02", "--submission", REPOSITORY / "solutions"),
        cwd=REPOSITORY,
        env=tools.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    next(line for line in run.stdout if " ok " in line)
    while run.poll() is None:
        run.send_signal(signal.SIGINT)
        time.sleep(0.01)
    run.communicate()
    tools.assert_clean(temporary)


# What a submission may try


@pytest.mark.xfail(strict=True, reason="the servers of a killed grader live on: that takes walls around a server")
def test_kills_the_grader(tmp_path, temporary):
    """A server that kills its parent process with SIGKILL leaves no process behind."""
    code = "os.kill(os.getppid(), signal.SIGKILL)"
    folder = submission(tmp_path / "submission", {STEP: with_prelude(code)})
    run = subprocess.run(
        tools.command("01", "--submission", folder),
        cwd=REPOSITORY,
        env=tools.environment(),
        capture_output=True,
    )
    tools.assert_clean(temporary)
    assert run.returncode in (0, 1, 2)


def test_default_port_is_held(tmp_path):
    """Whoever holds the port, or our turn at it, costs nobody a point and no more than a while: a note says so."""
    for port in (True, False):
        with socket.socket() as held, suppress(OSError) if port else turn("port-7890", 60):
            if port:  # if somebody else holds it, that will do as well
                held.bind(("127.0.0.1", 7890))
            run = graded(tmp_path, solution(STEP), "-k", "command_line", status=0, patience="0.3")
        assert run.outcomes()["command_line"] == "passed"
        assert "note: command_line: port 7890 is in use" in run.out


NO_REUSE = """
def listen(*address):
    listener = socket.socket()
    listener.bind(address)
    listener.listen(99)
    return listener


def main():"""


def test_default_port_is_left_free(tmp_path):
    """A server that forgets SO_REUSEADDR loses the points of that line, and not those of the default port, ever."""
    created = "socket.create_server((args.host, args.port), backlog=socket.SOMAXCONN)"
    assert created in solution(STEP)
    source = solution(STEP).replace(created, "listen(args.host, args.port)").replace("def main():", NO_REUSE)
    for _ in range(2):
        run = graded(tmp_path, source, "-k", "command_line or restart", status=1)
        assert run.outcomes()["command_line"] == "passed" and run.outcomes()["restart"] == "failed", run.out
