"""The recipes for a class in parts: their very commands, given what the service gives, make the book of one machine."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from test_batch import STUB, batch, made_up, the_book
from tools import REPOSITORY

CI = REPOSITORY / "ci"
STEPS = "02,05"
PARTS = 2
pytestmark = pytest.mark.usefixtures("temporary")


def documents(path):
    return list(YAML(typ="safe").load_all(path.read_text(encoding="utf-8")))


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder as a job finds it: the grader, its Python with the stub in the grader's place, and a class."""
    monkeypatch.setenv("STUB_LOG", str(tmp_path / "log"))
    folder = tmp_path / "job"
    (folder / "grader").mkdir(parents=True)
    for name in ("grader", "tests", "ci", "requirements"):
        (folder / "grader" / name).symlink_to(REPOSITORY / name)
    for python in (folder / "venv" / "bin" / "python", folder / "grader" / ".tox" / "grade" / "bin" / "python"):
        python.parent.mkdir(parents=True)
        ours = f'exec {shlex.quote(sys.executable)} "$@"'
        python.write_text(f'#!/bin/sh\n[ "$2" = grader.batch ] && {ours} --grader {shlex.quote(STUB)}\n{ours}\n')
        python.chmod(0o755)
    shutil.copy(REPOSITORY / "requirements" / "grade.txt", folder / "venv")
    made_up(folder / "submissions", 5)
    batch(folder / "submissions", tmp_path / "one", "--csv", "canvas", "--csv", "moodle", steps=STEPS)
    return folder


def play(script, folder, shell="bash", **environment):
    """Run a script as its service does: it fails with the first command that does."""
    done = subprocess.run(
        [shell, "-e", "-c", script],
        cwd=folder,
        env={**os.environ, **{name: str(value) for name, value in environment.items()}},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def assert_same(book, one, kind):
    """The same bytes, with the rows for one importer."""
    wanted = the_book(one)
    assert the_book(book) == {
        name: text for name, text in wanted.items() if name.split(".")[0] in ("grades", "index", kind)
    }


def test_github(place, tmp_path):
    """The matrix is 1 to N; the steps of each part, and of the join."""
    (workflow,) = documents(CI / "github" / "class.yml")
    part, book = workflow["jobs"]["part"], workflow["jobs"]["book"]
    parts = part["strategy"]["matrix"]["part"]
    assert parts == list(range(1, len(parts) + 1)) and len(parts) <= 256 and book["needs"] == "part"
    assert part["env"] == {"PART": "${{ matrix.part }}", "PARTS": "${{ strategy.job-total }}"}
    (place / "class").mkdir()
    (place / "submissions").rename(place / "class" / "submissions")
    run = {step["name"]: step["run"] for job in (part, book) for step in job["steps"] if "run" in step}
    for number in range(1, PARTS + 1):
        said = play(run["Grade"], place, STEPS=STEPS, PART=number, PARTS=PARTS)
        first, *_, last = said.splitlines()
        assert first.startswith("::stop-commands::") and last == f"::{first.split('::')[2]}::"
        (place / "part").rename(place / f"part-{number}")
    (place / "parts").mkdir()
    for number in range(1, PARTS + 1):
        (place / f"part-{number}").rename(place / "parts" / f"part-{number}")
    play(run["Join"], place)
    assert_same(place / "book", tmp_path / "one", "canvas")


def test_gitlab(place, tmp_path):
    """`parallel` numbers the parts; artifacts of all of them come together."""
    (pipeline,) = documents(CI / "gitlab" / "class.gitlab-ci.yml")
    assert pipeline["part"]["parallel"] <= 200
    for number in range(1, PARTS + 1):
        for line in pipeline["part"]["script"]:
            play(line, place, EIGHT_SERVERS_STEPS=STEPS, CI_NODE_INDEX=number, CI_NODE_TOTAL=PARTS)
        (place / "part").rename(place / f"cache-{number}")
    for line in pipeline["book"]["script"]:
        play(line, place)
    assert_same(place / "book", tmp_path / "one", "moodle")


def test_kubernetes(place, tmp_path):
    """An index from 0 becomes a part from 1; the join waits for all, in the folder that they share."""
    network, part, book = documents(CI / "kubernetes" / "class.yml")
    assert network["spec"]["policyTypes"] == ["Ingress", "Egress"] and "egress" not in network["spec"]
    containers = [job["spec"]["template"]["spec"]["containers"][0] for job in (part, book)]
    counts = {one["value"] for container in containers for one in container["env"] if one["name"] == "PARTS"}
    assert counts == {str(part["spec"]["completions"])} and part["spec"]["completionMode"] == "Indexed"
    scripts = []
    for container in containers:
        assert container["command"] == ["/bin/sh", "-c"] and container["workingDir"] == "/grader"
        text = container["args"][0].replace("/class/", f"{tmp_path}/class/").replace("/venv/", f"{place}/venv/")
        scripts.append(text.replace("--walls user", ""))  # the stub has none, and not everybody is root
    (tmp_path / "class").mkdir()
    (place / "submissions").rename(tmp_path / "class" / "submissions")
    for index in range(PARTS):
        play(scripts[0], place / "grader", "sh", STEPS=STEPS, PARTS=PARTS, JOB_COMPLETION_INDEX=index)
    play(scripts[1], place / "grader", "sh", PARTS=PARTS)
    assert_same(tmp_path / "class" / "results", tmp_path / "one", "canvas")


def test_slurm(place, tmp_path):
    """The array is 1 to what PARTS says; each task of it, and the one that joins."""
    path = CI / "slurm" / "class.sh"
    text = path.read_text(encoding="utf-8")
    array = re.search(r"^#SBATCH --array=1-(\d+)%\d+$", text, re.M)[1]
    assert f"PARTS=${{PARTS:-{array}}}" in text and int(array) <= 1000
    more = {"CLASS": place, "GRADER": place / "grader", "STEPS": STEPS, "PARTS": PARTS, "SLURM_CPUS_PER_TASK": 2}
    for number in range(1, PARTS + 1):
        play(f"bash {shlex.quote(str(path))}", place, SLURM_ARRAY_TASK_ID=number, **more)
    play(f"bash {shlex.quote(str(path))} join", place, **more)
    assert_same(place / "results", tmp_path / "one", "canvas")


def test_every_recipe_is_tried():
    """One for each service, and none beside them."""
    found = sorted(path.relative_to(CI).as_posix() for path in Path(CI).glob("*/class*"))
    assert found == ["github/class.yml", "gitlab/class.gitlab-ci.yml", "kubernetes/class.yml", "slurm/class.sh"]
