"""Every attack of `hostile/` succeeds where nothing stops it, and fails behind each wall that is said to stop it."""

import json
import os
import subprocess

import arena
import pytest
from tools import REPOSITORY

from grader.finding import CannotGrade

ATTACKS = {attack.name: attack for attack in arena.attacks()}
#: Where nothing is around it; each wall; and bubblewrap for somebody who is not root, with user namespaces.
PLACES = (*arena.WALLS, "bwrap of a user")
NOBODY = 61_999
PYTHON = "/usr/bin/python3"  # one that everybody may run


def as_nobody(wall):
    """The same as `arena.tried`, by a user who is not root."""
    drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all"]
    command = [*drop, "--bounding-set=-all", PYTHON, "-B", arena.__file__, "json", wall]
    clean = {"PATH": os.environ["PATH"], "HOME": "/tmp"}
    done = subprocess.run(command, cwd="/", env=clean, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise CannotGrade((done.stderr.strip().splitlines() or ["no result"])[-1])
    return json.loads(done.stdout)


@pytest.fixture(scope="module", params=PLACES)
def outcomes(request):
    """A place, and all attacks tried there once: name -> whether it succeeded, and what was seen."""
    wall = request.param.split()[0]
    try:
        if request.param == wall:
            return wall, arena.tried(wall, [])
        if os.geteuid():
            pytest.skip("the grader is not root, so that is what 'bwrap' has tried")
        return wall, as_nobody(wall)
    except CannotGrade as error:
        pytest.skip(f"{request.param}: {error}")


@pytest.mark.parametrize("name", ATTACKS)
def test_attack(outcomes, name):
    """What the table says is so: stopped, or not."""
    wall, tried = outcomes
    attack = ATTACKS[name]
    if wall == "none" and os.geteuid() and attack.needs_root:
        pytest.skip("only root can do that anyway")
    succeeded, seen = tried[name]
    assert succeeded == (wall not in attack.stopped_by), seen


def test_there_are_enough():
    """At least thirty, each with its own word of what it does."""
    assert len({attack.note("Attack") for attack in ATTACKS.values()}) == len(ATTACKS) >= 30


def test_table():
    """GRADING.md says of each attack which walls stop it: `python tests/project/arena.py table` writes it."""
    page = (REPOSITORY / "GRADING.md").read_text("utf-8")
    assert arena.written(page) == page
