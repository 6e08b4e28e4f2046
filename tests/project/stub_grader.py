"""In the place of `python -m grader`, for tests of the batch: what it finds is written in server.py, and it is quick.

right | wrong | to do | not judged | sleep | crash | kill | deaf | garbage | forged | short | poison
"""

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from grader import STEPS
from grader.finding import CannotGrade
from grader.intake import receive_one

CHECKS = ("answers", "one_thread", "contents", "<b>names</b>")


def check(name, outcome, points=25, stretch=False):
    earned = points if outcome == "passed" else 0
    return {
        "name": name,
        "title": f"What `{name}` says.",
        "points": points,
        "earned": earned,
        "stretch": stretch,
        "outcome": outcome,
        "reason": "the reason",
    }


def checks(text):
    outcomes = {"wrong": "failed", "to do": "not started", "not judged": "not judged", "short": "passed"}
    found = [check(name, "passed") for name in CHECKS]
    if text in outcomes:
        found[2] = check(CHECKS[2], outcomes[text])
    if text == "short":
        found.pop()
    return [*found, check("more", "not run", 0, True)]


def misbehave(text, options):
    """What a grader does that is broken, or has been by a submission."""
    if text == "sleep":
        time.sleep(1000)
    elif text == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(1000)
    elif text == "crash":
        raise RuntimeError("\x1b[31mthe stub was told to")
    elif text == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif text == "poison":  # for whoever runs us: a worker of a cluster
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(1)
    elif text == "forged":
        Path(options.json).symlink_to("/etc/passwd")
        sys.exit(0)
    elif text == "garbage":
        Path(options.json).write_text("{" * 100_000)
        Path(options.html).write_text("x")
        sys.exit(0)


def step(name, options):
    data = {"step": name, "notes": [], "checks": [], "error": "", "snapshot": "", "walls": "stub"}
    alone = "," not in options.steps
    try:
        found = receive_one(Path(options.submission), name, lone=alone, follow=False)
    except CannotGrade as error:
        return data | {"error": str(error)}
    text = found.source.decode().strip()
    misbehave(text, options)
    return data | {"checks": checks(text), "snapshot": found.sha256, "notes": found.notes}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("steps")
    for name in ("submission", "json", "html", "seed", "examples", "walls", "budget"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--no-follow", action="store_true")
    options = parser.parse_args()
    with open(os.environ["STUB_LOG"], "a", encoding="utf-8", errors="backslashreplace") as log:
        log.write(f"{Path(options.submission).name}\n")
    time.sleep(float(os.environ.get("STUB_NAP", "0")))
    steps = [step(next(one for one in STEPS if one.startswith(name[:2])), options) for name in options.steps.split(",")]
    Path(options.html).write_text(f"<h1>{time.time()}</h1>")
    Path(options.json).write_text(json.dumps({"steps": steps, "when": time.time()}))


if __name__ == "__main__":
    main()
