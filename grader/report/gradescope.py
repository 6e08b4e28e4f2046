"""Records as the results.json that Gradescope reads.

Format: https://gradescope-autograders.readthedocs.io/en/latest/specs/
"""

import json

from grader.record import FULL, NOT_RUN, PASSED, Check, Result
from grader.report import text


def output(check: Check) -> str:
    if check.finding:
        return text.failure(check.finding)
    return "" if check.outcome == PASSED else f"{check.outcome}: {text.printable(check.reason)}"


def entry(check: Check) -> dict[str, object]:
    data: dict[str, object] = {
        "name": check.title,
        "status": "passed" if check.outcome == PASSED else "failed",
        "output": "\n".join([output(check), *check.notes]).strip("\n"),
        "tags": ["stretch"] if check.stretch else [],
        "extra_data": {"check": check.name, "outcome": check.outcome, "seconds": round(check.seconds, 3)},
    }
    if not check.stretch:  # a test without max_score is informational
        data |= {"score": check.earned, "max_score": check.points}
    return data


def together(results_of_steps: list[Result]) -> str:
    """All steps in one file: the tests' names begin with the step, the score is out of 100 a step."""
    files = [json.loads(results(result)) for result in results_of_steps]
    for file in files:
        for test in file["tests"]:
            test["name"] = f"{file['extra_data']['step']}: {test['name']}"
            test["extra_data"] = {**test.get("extra_data", {}), "step": file["extra_data"]["step"]}
    data = {
        "score": sum(file["score"] for file in files),
        "execution_time": round(sum(file["execution_time"] for file in files), 3),
        "output": "\n".join(f"{file['extra_data']['step']}: {file['output']}" for file in files),
        "tests": [test for file in files for test in file["tests"]],
        "extra_data": {"status": max(file["extra_data"]["status"] for file in files)},
    }
    return json.dumps(data, ensure_ascii=False, indent=1) + "\n"


def results(result: Result) -> str:
    tests = [entry(check) for check in result.checks]
    if result.error:
        reason = text.printable(result.error)
        tests = [{"name": "Grading", "score": 0, "max_score": FULL, "status": "failed", "output": reason}]
    not_run = sum(check.outcome == NOT_RUN for check in result.checks)
    words = [text.summary(result)] if result.error else [f"{result.score} of {FULL} points"]
    if not_run:
        words.append(f"{not_run} checks were not run")
    if result.todo:
        words.append(f"next: {text.printable(result.todo)}")
    data = {
        "score": result.score,
        "execution_time": round(result.seconds, 3),
        "output": "\n".join(words),
        "tests": tests,
        "extra_data": {"step": result.step, "status": result.status},
    }
    return json.dumps(data, ensure_ascii=False, indent=1) + "\n"
