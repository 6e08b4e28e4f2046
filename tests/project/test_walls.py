"""A server is judged behind walls as without; what cannot be had is refused; nothing is left of them."""

import html
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import nullcontext

import arena
import corpus
import pytest
from tools import PATIENT, REPOSITORY, command, environment, grade, submission, until

from grader.finding import CannotGrade
from grader.kernel import Proc
from grader.walls import choice, uids

pytestmark = pytest.mark.timeout(300)
BUSY = """
import time
for number in range(21_000):
    open(str(number), "x").close()
while True:
    time.sleep(0.02)
"""


@pytest.fixture(scope="module", params=["bwrap", "user"])
def walls(request):
    """The arguments that choose one of the walls, with an interpreter that can be had there."""
    try:
        if request.param == "user":
            return ("--walls", "user", "--python", arena.interpreter())
        with nullcontext(0) if os.geteuid() else uids.lent() as uid:
            choice.bubblewrap(uid, sys.executable)
        return ("--walls", "bwrap")
    except CannotGrade as error:
        pytest.skip(f"{request.param}: {error}")


@pytest.mark.parametrize(
    ("step", "checks"),
    [
        ("02", "answers or own_processes or zombies_in_a_row or signals"),
        ("08", "answers or one_thread or sleeps or patience"),
    ],
)
def test_reference(walls, tmp_path, step, checks):
    """What the kernel shows of a right server it shows behind walls; every report says which they were."""
    told = tmp_path / "told.json"
    page = tmp_path / "page.html"
    run = grade(step, "--submission", "solutions", *walls, "-k", checks, "--json", told, "--html", page)
    assert run.err == "" and not re.search("FAILED|  \\?  ", run.out), run.out
    (result,) = json.loads(told.read_text("utf-8"))["steps"]
    played = [check for check in result["checks"] if check["outcome"] != "not run"]
    assert len(played) > 1 and {check["outcome"] for check in played} == {"passed"}
    assert result["walls"] == walls[1] and result["walls_note"]
    assert f"walls: {walls[1]}" in run.out and result["walls_note"] in html.unescape(page.read_text("utf-8"))


@pytest.mark.parametrize(
    "name",
    [
        "wrong/02_multiprocess/orphans_serve_on",
        "wrong/05_nonblocking/log_thread",
    ],
)
def test_wrong_servers(walls, tmp_path, name):
    """Orphans, zombies and threads that have ended are seen as without walls."""
    (entry,) = [entry for entry in corpus.entries("wrong") if entry.name == name]
    handed_in = entry.submit(tmp_path / "submission")
    checks = " or ".join(["test_answers", *(f"test_{check}" for check in entry.caught_by)])
    run = grade(entry.step, "--submission", handed_in, *walls, "-k", checks, results=tmp_path / "results.json")
    assert "failed" in map(run.outcomes().get, entry.caught_by), run.out


def test_line(walls, tmp_path):
    """The line in which a server sleeps is told by its number, whatever numbers processes have in there."""
    source = "import time\n\n\ntime.sleep(1000)  # for ever\n"
    handed_in = submission(tmp_path / "submission", {"01_blocking": source})
    run = grade("01", "--submission", handed_in, *walls, results=tmp_path / "results.json")
    assert "server.py line 4: time.sleep(1000) # for ever" in " ".join(run.out.split()), run.out


def test_excess(walls, tmp_path):
    """Who has too much of something is ended, and told so."""
    handed_in = submission(
        tmp_path / "submission", {"01_blocking": f"{BUSY}import time\nwhile True:\n    time.sleep(0.02)\n"}
    )
    run = grade("01", "--submission", handed_in, *walls, results=tmp_path / "results.json")
    assert "it made more than 20000 files, so the grader ended it" in " ".join(run.out.split()), run.out


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 1), (signal.SIGKILL, -signal.SIGKILL)])
def test_ended_from_outside(walls, tmp_path, number, status):
    """Ctrl-C ends the grader in there with care: it writes what it has. Whatever ends it, nothing runs on."""
    told = tmp_path / "told.json"
    given = command("05", "--submission", "solutions", *walls, "--json", told)
    run = subprocess.Popen(given, cwd=REPOSITORY, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert run.stdout
    while b"  ok  " not in (line := run.stdout.readline()):
        assert line
    mine = family(run.pid)
    assert mine
    run.send_signal(number)
    said = run.communicate(timeout=3 * PATIENT)[0]
    assert run.returncode == status, said.decode()
    if number == signal.SIGINT:
        assert json.loads(told.read_text("utf-8"))["steps"][0]["interrupted"]
    if walls[1] == "bwrap" or number == signal.SIGINT:
        until(lambda: not any(map(is_there, mine)), "their end")
    for one in filter(is_there, mine):
        os.kill(one[0], signal.SIGKILL)


def family(pid):
    """A process and all that descend from it: number and when it started."""
    proc = Proc()
    found, grown = {pid}, True
    processes = proc.processes()
    while grown:
        more = {each.pid for each in processes.values() if each.parent in found} - found
        found, grown = found | more, bool(more)
    return [(each, processes[each].started) for each in found if each in processes]


def is_there(one):
    process = Proc().process(one[0])
    return process is not None and process.started == one[1] and process.state not in "ZX"


@pytest.mark.parametrize(("name", "why"), [("bwrap", "is not installed"), ("auto", "`--walls none` grades without")])
def test_refused(tmp_path, name, why):
    """What cannot be had is refused in a line, and nothing is graded."""
    (tmp_path / "bin").mkdir()
    run = grade("01", "--submission", "solutions", "--walls", name, PATH=str(tmp_path / "bin"))
    assert run.status == 2 and run.out == "" and len(run.err.splitlines()) == 1
    assert run.err.startswith(f"--walls {name}: ") and why in run.err


def test_none_by_default(tmp_path):
    """For one's own work there are none, and the report says so."""
    run = grade("01", "--submission", "solutions", "-k", "answers", results=tmp_path / "results.json")
    assert "walls: none" in run.out and run.results["extra_data"]["walls"] == "none"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_numbers_are_lent_once():
    """No two graders have the same user; one that was given back can be had again."""
    with uids.lent() as first:
        with uids.lent() as second:
            assert second != first
        asked = "from grader.walls import uids\nwith uids.lent() as uid: print(uid)"
        other = subprocess.run([sys.executable, "-c", asked], cwd=REPOSITORY, capture_output=True, text=True)
        assert int(other.stdout) not in (first, 0)
