"""toxw on odd machines, which Pythons are declared, and what ends when whoever has started it ends."""

import os
import re
import signal
import subprocess
import sys

import pytest
import tools
from tools import REPOSITORY

from grader import start

TOX = """#!/bin/sh
for n in 0 1 2; do [ -e /proc/self/fd/$n ] || echo "closed: $n" >>told; done
printf '%s\\n' "$*" "optimize=$PYTHONOPTIMIZE" "safe=$PYTHONSAFEPATH" "warnings=$PYTHONWARNINGS" >>told
command -v uname >>told
command -v cat >>told
"""


@pytest.fixture
def house(tmp_path):
    """A folder with toxw and, in the place of its Python, a program that tells how it was started."""
    folder = tmp_path / "a house"
    (folder / "requirements").mkdir(parents=True)
    (folder / ".tox/toxw/bin").mkdir(parents=True)
    for name in ("toxw", "requirements/tox.txt"):
        (folder / name).write_bytes((REPOSITORY / name).read_bytes())
    wanted = f"{(folder / 'requirements/tox.txt').read_text()}in {folder}/.tox/toxw with the first good Python\n"
    (folder / ".tox/toxw/stamp").write_text(wanted)
    (folder / ".tox/toxw/bin/python").write_text(TOX)
    for program in (folder / "toxw", folder / ".tox/toxw/bin/python"):
        program.chmod(0o755)
    return folder


def told(house):
    return (house / "told").read_text().splitlines()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", ""])
def test_closed_streams_are_opened_on_nothing(house, closed):
    done = subprocess.run(["sh", "-c", f'"$0" -e step05 -- -k answers {closed}', house / "toxw"], timeout=20)
    assert done.returncode == 0
    assert told(house)[0] == "-m tox -e step05 -- -k answers"


@pytest.mark.parametrize("path", ["", "/nowhere", None])
def test_a_path_without_programs(house, path):
    given = {} if path is None else {"PATH": path}
    subprocess.run([house / "toxw", "list"], env=given, check=True, timeout=20)
    assert [line.rpartition("/")[2] for line in told(house)[-2:]] == ["uname", "cat"]


def test_no_switch_of_pythons_reaches_tox(house):
    switches = {"PYTHONOPTIMIZE": "2", "PYTHONSAFEPATH": "1", "PYTHONWARNINGS": "error"}
    subprocess.run([house / "toxw"], env={**os.environ, **switches}, check=True, timeout=20)
    assert told(house)[1:4] == ["optimize=", "safe=", "warnings="]


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_windows_line_ends(house, shell):
    """A line says how to mend them; and that does."""
    program = house / "toxw"
    program.write_bytes(program.read_bytes().replace(b"\n", b"\r\n"))
    done = subprocess.run([shell, program], capture_output=True, text=True, timeout=20)
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1, done.stderr
    subprocess.run(["sh", "-c", re.search(r": (sed .*)", done.stderr)[1]], cwd=house, check=True)
    subprocess.run([program], check=True, timeout=20)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_to(house):
    (house / ".tox/toxw/stamp").unlink()
    (house / ".tox").chmod(0o555)
    done = subprocess.run([house / "toxw"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 2 and "cannot be written to" in done.stderr, done.stderr


def test_the_same_pythons_everywhere():
    """What toxw looks for, what tox tries the solutions with, and what CI has are the same, 3.10 and on."""
    read = {name: (REPOSITORY / name).read_text() for name in ("toxw", "tox.ini", ".github/workflows/ci.yml")}
    searched = re.search(r"set -- python3 (.*)", read["toxw"])[1].split()
    tried = re.search(r"solutions-py3\{([\d,]+)\}", read["tox.ini"])[1].split(",")
    in_ci = re.search(r"python: \[(.*)\]", read[".github/workflows/ci.yml"])[1].replace('"', "").split(", ")
    assert {f"python3.{minor}" for minor in tried} == set(searched) == {f"python{version}" for version in in_ci}
    assert {"3.10", "3.14"} <= set(in_ci)


PARENT = """
import os, subprocess, sys
os.environ["EIGHT_SERVERS_PARENT"] = str(os.getpid())
subprocess.run([sys.executable, *sys.argv[1:]])
"""


@pytest.mark.parametrize("command", ["grader", "pytest"])
def test_who_was_started_by_tox_ends_with_it(tmp_path, temporary, command):
    """Its parent is killed: the grader ends its servers, and keeps what it knows; so does one started by another."""
    results = tmp_path / "results.json"
    words = {
        "grader": ["-m", "grader", "05", "--submission", "solutions", "--results", results],
        "pytest": ["-c", "import subprocess, sys; from grader import start; start.end_with_parent();"
                   "subprocess.run([sys.executable, '-m', 'grader', *sys.argv[1:]])",
                   "05", "--submission", "solutions", "--results", results],
    }[command]  # fmt: skip
    with open(tmp_path / "out", "w") as out:
        parent = subprocess.Popen([sys.executable, "-c", PARENT, *map(str, words)], cwd=REPOSITORY, stdout=out)
        tools.until(lambda: tools.processes_of(temporary), "a server")
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    tools.until(lambda: not list(temporary.glob("eight-servers-*")), "the end")
    tools.until(lambda: results.exists(), "its result")


def test_a_parent_that_is_gone_before(monkeypatch):
    """It may be killed while its child begins."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    program = "from grader import start; start.end_with_parent(); print('goes on')"
    given = {**os.environ, start.PARENT: str(gone.pid)}
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, env=given, capture_output=True, text=True)
    assert done.returncode == -signal.SIGTERM and done.stdout == ""


def test_another_parent_ends_nobody():
    """What tox has set is inherited by all below it; only tox's own child ends with it."""
    program = (
        "import os; from grader import start; start.end_with_parent(); print(os.environ[start.PARENT], os.getpid())"
    )
    given = {**os.environ, start.PARENT: "1"}
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, env=given, capture_output=True, text=True)
    assert len(set(done.stdout.split())) == 1, done.stderr


def test_nobodys_variables_configure_a_grade(tmp_path, temporary):
    """Those of pytest and those of Python, all at once: the same points, and no word of theirs."""
    theirs = {
        "PYTEST_ADDOPTS": "-n2 -vv --lf -x --collect-only -p nosuch -W error --timeout=0.001",
        "PYTEST_PLUGINS": "nosuch",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_DEBUG": "1",
        "PYTHONOPTIMIZE": "2",
        "PYTHONWARNINGS": "error",
        "PYTHONINSPECT": "1",
    }
    words = ["05", "--submission", "solutions", "-k", "answers or stalled or restart"]
    run = tools.grade(*words, results=tmp_path / "r.json", **theirs)
    assert (run.status, run.err) == (0, ""), run.out + run.err
    assert {name for name, outcome in run.outcomes().items() if outcome == "passed"} == {
        "answers", "stalled", "stalled_readers", "restart"}  # fmt: skip
