"""The autograder.py of an assignment of Classroom 50: https://github.com/foundation50/classroom50/wiki

`tox -e classroom50 -- --steps 05` puts it into a folder with the grader's sources. Its runner starts it in the
learner's checkout, and wants ./result.json and exit status 0; any other status is a fault of the machinery.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
GRADER = HERE / "eight-servers"


def grade(checkout: Path, reports: Path, venv: Path, steps: str) -> int:
    """Grade the checkout by our own copy of the grader; the grader's exit status. Its summary is our release's text."""
    environment = {
        "EIGHT_SERVERS_VENV": str(venv),
        **os.environ,
        "GITHUB_ACTIONS": "true",
        "GITHUB_STEP_SUMMARY": str(reports / "release-body.md"),
    }
    asked: list[str | Path] = [steps, checkout, reports, "--classroom", reports / "classroom.json"]
    return subprocess.run(["bash", GRADER / "ci" / "grade.sh", *asked], env=environment).returncode


def is_our_fault(result: Path) -> bool:
    """Whether a step could not be graded for a reason that is not the submission's."""
    steps = json.loads(result.read_text(encoding="utf-8"))["steps"] if result.exists() else []
    return any(step["error"] and not step["refused"] for step in steps)


def clear(place: Path) -> None:
    """Whatever the learner's checkout has where the runner looks for a report, it is none."""
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def say_status(result: Path) -> None:
    """Status and summary, as the runner takes them from an autograder."""
    data = json.loads(result.read_text(encoding="utf-8"))
    score, most = data["score"], data["max-score"]
    if output := os.environ.get("GITHUB_OUTPUT"):
        with open(output, "a", encoding="utf-8") as file:
            file.write(f"status={'success' if score == most else 'failure'}\nsummary={score} of {most} points\n")


def main() -> int:
    steps = json.loads((HERE / "settings.json").read_text(encoding="utf-8"))["steps"]
    checkout = Path.cwd()
    result, body = checkout / "result.json", checkout / "release-body.md"
    clear(result)
    clear(body)
    with tempfile.TemporaryDirectory(prefix="eight-servers-", dir=os.environ.get("RUNNER_TEMP")) as folder:
        reports = Path(folder) / "reports"
        reports.mkdir(mode=0o700)
        Path(folder).chmod(0o755)  # the server, as another user, runs the Python in it
        status = grade(checkout, reports, Path(folder) / "venv", steps)
        if not (reports / "classroom.json").exists() or is_our_fault(reports / "result.json"):
            print(f"autograder.py: nothing was graded; the grader's exit status was {status}", file=sys.stderr)
            return 2
        shutil.copyfile(reports / "classroom.json", result)
        if (reports / "release-body.md").exists():
            shutil.copyfile(reports / "release-body.md", body)
        say_status(reports / "classroom.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
