"""One submission of Gradescope: from /autograder/submission to /autograder/results/results.json, as root.

The folders are those of https://gradescope-autograders.readthedocs.io/en/latest/specs/. The file is there, whole, from
the beginning on, and says at each moment what was judged till then. Exit status 2, and no new file, if nothing could
be graded for a reason that is ours; whatever the grader prints goes where only instructors look.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).resolve().parents[2]
ROOT = SOURCE.parent
MARGIN = 60  # seconds of the platform's limit that are left for the end of it all


def worth(settings: dict[str, Any], metadata: Path) -> list[str]:
    """What all points are worth together: as the zip was told, else as the assignment says, else 100 a step."""
    points = settings["points"]
    if points is None and metadata.exists():
        points = json.loads(metadata.read_text(encoding="utf-8")).get("assignment", {}).get("total_points")
    try:
        return ["--points", str(float(points))] if 0 < float(points) < 1e6 else []
    except (TypeError, ValueError):
        return []


def lock(results: Path, metadata: Path) -> None:
    """Shut the folders that the server, another user, has no business in."""
    SOURCE.chmod(0o700)
    results.mkdir(exist_ok=True)
    results.chmod(0o700)
    if metadata.exists():
        metadata.chmod(0o600)


def is_our_fault(result: Path) -> bool:
    """Whether a step could not be graded for a reason that is neither the submission's nor the end of its time."""
    steps = json.loads(result.read_text(encoding="utf-8"))["steps"] if result.exists() else []
    return any(step["error"] and not step["refused"] and not step["interrupted"] for step in steps)


def main() -> int:
    settings = json.loads((SOURCE / "settings.json").read_text(encoding="utf-8"))
    results, metadata = ROOT / "results", ROOT / "submission_metadata.json"
    lock(results, metadata)
    written = results / "results.json"
    written.unlink(missing_ok=True)
    seconds = 60 * settings["minutes"] - MARGIN
    within = ["timeout", "--signal=TERM", "--kill-after=20", str(seconds + 20)]
    asked = [settings["steps"], ROOT / "submission", results / "reports", "--results", written]
    asked += worth(settings, metadata)
    venv = Path(sys.executable).parents[1]
    environment = {**os.environ, "EIGHT_SERVERS_VENV": str(venv), "EIGHT_SERVERS_SECONDS": str(seconds)}
    status = subprocess.run([*within, "bash", SOURCE / "ci" / "grade.sh", *asked], env=environment).returncode
    if written.exists() and not is_our_fault(results / "reports" / "result.json"):
        return 0
    written.unlink(missing_ok=True)
    print(f"run.py: nothing was graded; the grader's exit status was {status}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
