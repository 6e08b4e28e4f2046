"""The recipes for CI services, run as far as they run without the services: their very commands, with stand-ins for
the variables and folders that the service would give."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import zipfile
from contextlib import nullcontext
from pathlib import Path

import junitparser
import pytest
from ruamel.yaml import YAML
from test_formats import CLASSROOM, obeyed
from tools import REPOSITORY, solution, submission

from ci import bundle
from grader.finding import CannotGrade
from grader.record import FAILED
from grader.walls import choice, uids

pytestmark = pytest.mark.usefixtures("temporary")

STEP = "01_blocking"
SECRET = "a-token-that-nobody-may-see"
FORGED = "::notice title=Autograding report::{}\n::set-output name=score::100\n::stop-commands::x\n##[error]mine\n"
#: Prints what a runner would obey, its environment, and a token that it finds; writes into what a runner would read.
TELLS = f"""
def tell():
    from pathlib import Path

    print({FORGED!r}, dict(os.environ), flush=True)
    for path in [*Path("/proc").glob("[0-9]*/environ"), *Path("FOLDER").glob("**/GITHUB_*")]:
        try:
            if path.name == "environ" and (token := {SECRET[::-1]!r}[::-1]) in path.read_text():
                print("found", token, flush=True)
            elif path.name != "environ":
                path.write_text("score=100")
        except (OSError, UnicodeDecodeError):
            pass

"""
#: Loses the gate, so that nothing else is run.
WRONG = solution(STEP).replace("def main(", f"{TELLS.strip()}\n\n\ndef main(")
WRONG = WRONG.replace('return f"HTTP/1.1 {status}', 'tell()\n    return f"HTTP/1.1 2000 {status}')
PERFECT = 'print("100 of 100 points")\nraise SystemExit(0)\n'
#: What a learner may edit in their copy of the kata, and what others plant.
PLANTED = {
    **dict.fromkeys(["grader/__init__.py", "grader/__main__.py", "tests/test_01_blocking.py", "json.py"], PERFECT),
    **dict.fromkeys(["conftest.py", "sitecustomize.py", f"steps/{STEP}/sitecustomize.py", "requests.py"], PERFECT),
    **dict.fromkeys(["ci/grade.sh", "ci/prepare.sh", "toxw"], "exit 0\n"),
    **dict.fromkeys(["pytest.ini", f"steps/{STEP}/pytest.ini"], "[pytest]\naddopts = -p evil\n"),
    **dict.fromkeys(["tox.ini", f"steps/{STEP}/tox.ini"], "[testenv]\ncommands = true\n[pytest]\naddopts = -p evil\n"),
    f"steps/{STEP}/conftest.py": "import os\nos._exit(0)\n",
    "requirements/grade.txt": "evil\n",
    "action.yml": "runs: {using: composite, steps: []}\n",
}


def read_yaml(path):
    return YAML(typ="safe").load((REPOSITORY / path).read_text(encoding="utf-8"))


def checkout(folder, planted=()):
    """A learner's repository with a wrong server; what it holds beside that is given as name -> text."""
    submission(folder / "steps", {STEP: WRONG.replace("FOLDER", str(folder.parent))})
    (folder / ".git").mkdir()
    for name, text in dict(planted).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def walls():
    """Walls can be had on this machine; without them the recipes grade nobody. Where CI runs they must be."""
    try:
        with nullcontext(0) if os.geteuid() else uids.lent() as uid:
            choice.bubblewrap(uid, sys.executable)
    except CannotGrade as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))


@pytest.fixture
def machine(tmp_path, walls):
    """A CI machine that has all that ci/prepare.sh would fetch, and lets nothing be installed: its variables."""
    venv, programs = tmp_path / "venv", tmp_path / "programs"
    for path, text in (
        (venv / "bin" / "python", f'exec "{sys.executable}" "$@"'),
        (programs / "apt-get", "exit 1"),
        (programs / "sudo", "exit 1"),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    shutil.copy(REPOSITORY / "requirements" / "grade.txt", venv)
    for folder in (tmp_path, venv):
        folder.chmod(0o755)
    path = f"{programs}:{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(tmp_path), "TMPDIR": os.environ["TMPDIR"], "EIGHT_SERVERS_VENV": str(venv)}


def run(script, folder, limit=110, **environment):
    """Run shell commands as the services do; what they printed is one text, as they show it."""
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", f"{script}\n:"],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=limit,
    )


def run_action(workspace, machine, **inputs):
    """What the `run` steps of action.yml do in GitHub's runner: exit status of the first, all output, the outputs."""
    action, temp = read_yaml("action.yml"), workspace.parent / f"{workspace.name}-temp"
    temp.mkdir()
    given = {name: str(field.get("default", "")) for name, field in action["inputs"].items()} | inputs
    values = {"runner.temp": str(temp), **{f"inputs.{name}": value for name, value in given.items()}}
    files = {name: str(temp / name) for name in ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STEP_SUMMARY")}
    for path in files.values():
        Path(path).touch()
    runner = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(workspace), "GITHUB_ACTION_PATH": str(REPOSITORY)}
    runner |= {"RUNNER_TEMP": str(temp), "CI": "true", "GITHUB_TOKEN": SECRET, "ACTIONS_RUNTIME_TOKEN": SECRET}
    done = []
    for step in action["runs"]["steps"]:
        if "run" in step:
            own = {
                name: re.sub(r"\$\{\{ (.+?) \}\}", lambda found: values[found[1]], text)
                for name, text in step.get("env", {}).items()
            }
            assert "${{" not in step["run"], "an input in a script is a script"
            own |= {"EIGHT_SERVERS_VENV": machine["EIGHT_SERVERS_VENV"]}
            done.append(run(step["run"], workspace, **{**machine, **runner, **files, **own}))
    outputs = dict(line.split("=", 1) for line in Path(files["GITHUB_OUTPUT"]).read_text().splitlines())
    assert not any(Path(files[name]).read_text() for name in ("GITHUB_ENV", "GITHUB_PATH"))
    return done[0].returncode, "".join(one.stdout for one in done), outputs


def verdicts(result):
    """What came of each check, out of the grader's own JSON, without what differs from run to run."""
    step = json.loads(result.read_text(encoding="utf-8"))["steps"][0]
    checks = [(check["name"], check["outcome"], check["earned"], check["reason"]) for check in step["checks"]]
    return step["sha256"], step["error"], step["score"], checks


def test_action(tmp_path, machine):
    """The action grades by its own grader: whatever a learner's copy holds changes nothing, nor what a server prints.

    No token comes near the server, and the runner obeys the grader's commands alone.
    """
    plain, planted = checkout(tmp_path / "plain"), checkout(tmp_path / "planted", PLANTED)
    found = [run_action(folder, machine, step="01") for folder in (plain, planted)]
    results = [Path(outputs["reports"]) / "result.json" for _, _, outputs in found]
    assert verdicts(results[0]) == verdicts(results[1])
    assert verdicts(results[0])[3][0][:2] == ("answers", FAILED)
    for status, said, outputs in found:
        assert status == 1 and (outputs["score"], outputs["max-score"]) == ("0", "100"), said
        commands = obeyed(said)
        assert [name for name, _, _ in commands] == ["stop-commands", "error"], said
        assert f"file=steps/{STEP}/server.py" in commands[1][1]
        reports = [path.read_text(encoding="utf-8") for path in Path(outputs["reports"]).iterdir()]
        assert len(reports) == 3 and any("EIGHT_SERVERS_RUN" in text for text in reports), "it printed its environment"
        assert not any(SECRET in text for text in [said, *reports])
        assert junitparser.JUnitXml.fromstring((Path(outputs["reports"]) / "junit.xml").read_bytes()).failures == 1


def test_action_without_a_grade(tmp_path, machine):
    """Where nothing could be graded the action fails with the grader's line, and has no score."""
    workspace = tmp_path / "workspace"
    (workspace / "nothing").mkdir(parents=True)
    status, said, outputs = run_action(workspace, machine, step="09", submission="nothing")
    assert status == 2 and "there is no step '09'" in said
    assert outputs.get("score", "0") == "0"


def test_workflows_are_bounded():
    """Every job of ours has a time limit, may only read, and leaves no credentials where a server could look."""
    for path in (".github/workflows/ci.yml", ".github/workflows/grade.yml", "ci/github/learner.yml"):
        workflow = read_yaml(path)
        assert workflow["permissions"] == {"contents": "read"}
        for job in workflow["jobs"].values():
            assert "uses" in job or job["timeout-minutes"] <= 30
            for step in job.get("steps", ()):
                if step.get("uses", "").startswith("actions/checkout@"):
                    assert step["with"]["persist-credentials"] is False
        used = {step["uses"] for job in workflow["jobs"].values() for step in job.get("steps", ()) if "uses" in step}
        shown = re.findall(r"uses: (actions/\S+)", (REPOSITORY / "GRADING.md").read_text(encoding="utf-8"))
        assert set(shown) <= used or path.startswith("ci/")
    assert read_yaml("ci/gitlab/grade.gitlab-ci.yml")["eight-servers"]["timeout"] == "30 minutes"


def test_gitlab(tmp_path, machine):
    """The script of the GitLab job clones the grader, shuts the checkout, and leaves what the job keeps."""
    course = tmp_path / "course"
    for path in bundle.files(*bundle.NEEDED, "ci"):
        (course / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / path, course / path)
    git = f"git -C {course} -c user.name=x -c user.email=x@x"
    assert run(f"{git} init -q; {git} add -A; {git} commit -qm x", tmp_path, **machine).returncode == 0
    template = read_yaml("ci/gitlab/grade.gitlab-ci.yml")
    project = checkout(tmp_path / "project", PLANTED)
    (project / "eight-servers-report").symlink_to(tmp_path)
    job = template["eight-servers"]
    variables = {"CI_PROJECT_DIR": str(project), "CI_JOB_TOKEN": SECRET, "EIGHT_SERVERS_STEPS": "01"}
    variables |= {"EIGHT_SERVERS": str(course), "EIGHT_SERVERS_REF": "HEAD"}
    assert variables.keys() & template["variables"].keys() == template["variables"].keys()
    variables["REPORTS"] = job["variables"]["REPORTS"].replace("$CI_PROJECT_DIR", str(project))
    done = run("\n".join(job["script"]), project, **{**machine, **variables})
    assert done.returncode == 1 and "01_blocking: 0 of 100 points" in done.stdout, done.stdout
    assert project.stat().st_mode & 0o777 == 0o700
    junit = project / job["artifacts"]["reports"]["junit"]
    assert junitparser.JUnitXml.fromstring(junit.read_bytes()).failures == 1
    assert junit.is_relative_to(project / job["artifacts"]["paths"][0]) and not (tmp_path / "junit.xml").exists()
    assert all(SECRET not in path.read_text(encoding="utf-8") for path in junit.parent.iterdir())


def test_classroom50(tmp_path, machine):
    """The bundled autograder.py writes result.json in the learner's checkout, whatever lay there; else it fails."""
    bundle.classroom50(tmp_path / "bundle", {"steps": "01"})
    project = checkout(tmp_path / "project", {**PLANTED, "result.json/forged": ""})
    (project / "release-body.md").symlink_to(tmp_path / "outside")
    output = tmp_path / "output"
    command = [sys.executable, tmp_path / "bundle" / "autograder.py"]
    given = {**machine, "GITHUB_OUTPUT": str(output), "GITHUB_TOKEN": SECRET, "RUNNER_TEMP": str(tmp_path)}
    done = subprocess.run(command, cwd=project, env={**given, **CLASSROOM}, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((project / "result.json").read_text(encoding="utf-8"))
    assert (result["schema"], result["score"], result["max-score"]) == ("classroom50/result/v1", 0, 100)
    assert {name: result[name] for name in ("classroom", "submission")} == {
        "classroom": "web-24",
        "submission": "submit/1",
    }
    assert output.read_text() == "status=failure\nsummary=0 of 100 points\n"
    assert f"## {STEP}: 0 of 100 points" in (project / "release-body.md").read_text(encoding="utf-8")
    assert not (tmp_path / "outside").exists() and SECRET not in done.stdout + done.stderr + json.dumps(result)
    assert [name for name, _, _ in obeyed(done.stdout)] == ["stop-commands", "error"]
    given["CLASSROOM"] = CLASSROOM["CLASSROOM"]
    done = subprocess.run(command, cwd=project, env=given, capture_output=True, text=True, timeout=110)
    assert done.returncode == 2 and "ASSIGNMENT" in done.stderr and not (project / "result.json").exists()


def test_zip_is_the_same_each_time(tmp_path):
    """The same sources make the same bytes; the two programs are at the root and may be run; no solution is in it."""
    settings = {"steps": "01", "points": None, "minutes": 10}
    for name in ("1.zip", "2.zip"):
        bundle.gradescope(tmp_path / name, settings)
        os.utime(REPOSITORY / "ci" / "gradescope" / "run.py")
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "1.zip") as archive:
        modes = {entry.filename: entry.external_attr >> 16 & 0o777 for entry in archive.infolist()}
    assert modes["setup.sh"] == modes["run_autograder"] == modes["ci/grade.sh"] == 0o755
    assert modes["grader/__main__.py"] == modes["tests/test_01_blocking.py"] == 0o644
    left = [name for name in modes if not re.match(r"(grader|ci|requirements|tests/checks)/|tests/[^/]+$", name)]
    assert sorted(left) == ["LICENSE", "run_autograder", "settings.json", "setup.sh"]


def autograder(folder, machine, servers, **settings):
    """The folders of Gradescope as they are when run_autograder begins: what starts it, and where the result comes."""
    bundle.gradescope(folder / "autograder.zip", {"steps": "01", "points": None, "minutes": 40, **settings})
    with zipfile.ZipFile(folder / "autograder.zip") as archive:
        archive.extractall(folder / "source")
        for entry in archive.infolist():
            (folder / "source" / entry.filename).chmod(entry.external_attr >> 16)
    submission(folder / "submission", servers)
    shutil.copy(folder / "source" / "run_autograder", folder)
    metadata = {
        "id": 1,
        "assignment": {"total_points": "20.0"},
        "users": [{"email": "x@x"}],
        "previous_submissions": [],
    }
    (folder / "submission_metadata.json").write_text(json.dumps(metadata))
    (folder / "results").mkdir()
    given = {**machine, "AUTOGRADER_ROOT": str(folder)}
    assert run(str(folder / "source" / "setup.sh"), folder, **given).returncode == 0
    return given, folder / "results" / "results.json"


@pytest.mark.timeout(2450)
def test_gradescope(tmp_path, machine):
    """A whole step in folders like Gradescope's. At each moment the file is valid and says what was judged so far."""
    folder = tmp_path / "autograder"
    given, results = autograder(folder, machine, {STEP: solution(STEP)})
    looks, over = [], threading.Event()

    def look():
        while not over.wait(0.05):
            try:
                looks.append(json.loads(results.read_text(encoding="utf-8")))
            except FileNotFoundError:
                assert not looks

    looker = threading.Thread(target=look)
    looker.start()
    try:
        done = run("exec ./run_autograder", folder, 2400, **given)  # 40 minutes are the most there; it takes one
    finally:
        over.set()
        looker.join()
    assert done.returncode == 0, done.stdout
    final = json.loads(results.read_text(encoding="utf-8"))
    assert final["score"] == 20 and final["extra_data"]["status"] == 0
    worth = [test["max_score"] for test in final["tests"] if "max_score" in test]
    assert round(sum(worth), 6) == 20 and {test["status"] for test in final["tests"]} == {"passed"}
    scores = [look["score"] for look in looks]
    assert scores == sorted(scores) and scores[0] == 0 and len(set(scores)) > 5, scores
    early = next(look for look in looks if 0 < look["score"] < 10)
    assert "not judged" in early["output"] and len(early["tests"]) == len(final["tests"])
    assert {test["output"] for test in early["tests"] if test["status"] != "passed"} == {
        "not judged: the run ended before"
    }
    assert (folder / "source").stat().st_mode & 0o777 == results.parent.stat().st_mode & 0o777 == 0o700
    assert (folder / "submission_metadata.json").stat().st_mode & 0o777 == 0o600
    assert "01_blocking: 100 of 100 points" in done.stdout


def test_gradescope_that_cannot_grade(tmp_path, machine):
    """A fault that is ours leaves no result, so that Gradescope says so; one of the submission is a result."""
    given, results = autograder(tmp_path / "1", machine, {})
    results.write_text("{}")
    done = run("exec ./run_autograder", tmp_path / "1", **given, EIGHT_SERVERS_PATIENCE="none")
    assert done.returncode == 2 and "EIGHT_SERVERS_PATIENCE" in done.stdout and not results.exists()
    done = run("exec ./run_autograder", tmp_path / "1", **given)
    assert done.returncode == 0, done.stdout
    written = json.loads(results.read_text(encoding="utf-8"))
    assert written["score"] == 0 and f"{STEP}/server.py" in written["tests"][0]["output"]
    submission(tmp_path / "1" / "submission", {STEP: WRONG})
    done = run("ulimit -n 60; exec ./run_autograder", tmp_path / "1", **given)
    assert done.returncode == 2 and "descriptors at a time" in done.stdout and not results.exists(), done.stdout


@pytest.mark.parametrize("arguments", [["gradescope"], ["gradescope", "--steps", "09"], ["classroom50", "--steps", ""]])
def test_bundle_wants_a_step(tmp_path, arguments):
    done = subprocess.run(
        [sys.executable, "-m", "ci.bundle", *arguments, "--out", tmp_path / "out"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and "--steps" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_prepare_needs_a_python(tmp_path, machine):
    """Where no Python will do, and none can be installed, one line says what to do."""
    script = shlex.join(["sh", str(REPOSITORY / "ci" / "prepare.sh"), str(tmp_path / "new")])
    done = run(script, tmp_path, **machine, EIGHT_SERVERS_PYTHON="/nowhere/python3")
    assert done.returncode == 2 and "apt install python3-venv" in done.stdout.splitlines()[-1]
