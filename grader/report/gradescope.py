"""Records as the results.json that Gradescope reads.

Format: https://gradescope-autograders.readthedocs.io/en/latest/specs/
"""

import json
from typing import Any

from grader.record import ENDED_BEFORE, FULL, NOT_JUDGED, NOT_RUN, PASSED, Check, Result
from grader.report import text


def entry(check: Check) -> dict[str, object]:
    data: dict[str, object] = {
        "name": check.title,
        "status": "passed" if check.outcome == PASSED else "failed",
        "output": "\n".join([text.story(check), *map(text.printable, check.notes)]).strip("\n"),
        "tags": ["stretch"] if check.stretch else [],
        "extra_data": {"check": check.name, "outcome": check.outcome, "seconds": round(check.seconds, 3)},
    }
    if not check.stretch:  # a test without max_score is informational
        data |= {"score": check.earned, "max_score": check.points}
    return data


def render(results: list[Result], points: float | None = None) -> str:
    """Of several steps the tests' names begin with the step, and the score is out of 100 a step.

    points: what all of it is worth instead.
    """
    data = of_step(results[0]) if len(results) == 1 else together(results)
    return as_json(data if points is None else scaled(data, points / (FULL * len(results))))


def scaled(data: dict[str, Any], factor: float) -> dict[str, Any]:
    """The same with all points times `factor`, as numbers that a person can read."""
    for part in (data, *data["tests"]):
        for name in ("score", "max_score"):
            if name in part:
                part[name] = round(part[name] * factor, 4)
    return data


def as_json(data: dict[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False, indent=1) + "\n"


def together(results: list[Result]) -> dict[str, Any]:
    files = [of_step(result) for result in results]
    for file in files:
        for test in file["tests"]:
            test["name"] = f"{file['extra_data']['step']}: {test['name']}"
            test["extra_data"] = {**test.get("extra_data", {}), "step": file["extra_data"]["step"]}
    return {
        "score": sum(file["score"] for file in files),
        "execution_time": round(sum(file["execution_time"] for file in files), 3),
        "output": "\n".join(f"{file['extra_data']['step']}: {file['output']}" for file in files),
        "tests": [test for file in files for test in file["tests"]],
        "extra_data": {"status": max(file["extra_data"]["status"] for file in files)},
    }


def of_step(result: Result) -> dict[str, Any]:
    tests = [entry(check) for check in result.checks]
    if result.error or not tests:
        reason = text.printable(result.error) or f"{NOT_JUDGED}: {ENDED_BEFORE}"
        tests = [{"name": "Grading", "score": 0, "max_score": FULL, "status": "failed", "output": reason}]
    not_run, not_judged = (sum(c.outcome == outcome for c in result.checks) for outcome in (NOT_RUN, NOT_JUDGED))
    words = [text.summary(result)] if result.error else [f"{result.score} of {FULL} points"]
    if not_run:
        words.append(f"{text.checks_were(not_run)} not run")
    if not_judged:
        words.append(f"{text.checks_were(not_judged)} not judged")
    words += [f"note: {text.printable(note)}" for note in result.notes]
    if result.todo:
        words.append(f"next: {text.printable(result.todo)}")
    words.append(f"walls: {text.walls(result)}")
    return {
        "score": result.score,
        "execution_time": round(result.seconds, 3),
        "output": "\n".join(words),
        "tests": tests,
        "extra_data": {"step": result.step, "status": result.status, "walls": result.walls},
    }
