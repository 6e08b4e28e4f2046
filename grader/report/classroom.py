"""Records as `classroom50/result/v1`, the result.json of Classroom 50, https://github.com/foundation50/classroom50.

Its runner says in the environment whose work it is; without that there is no such result.
"""

import json
import os
import time

from grader.record import FULL, Result
from grader.report import text

#: Field of the result -> the variable that Classroom 50's runner sets.
FIELDS = {
    "classroom": "CLASSROOM",
    "assignment": "ASSIGNMENT",
    "submission": "SUBMISSION_TAG",
    "commit": "COMMIT_URL",
    "release": "RELEASE_URL",
    "review": "REVIEW_URL",
}


def missing() -> str:
    """Why there can be no such result here, in a line; "" if there can."""
    names = [name for name in FIELDS.values() if not os.environ.get(name)]
    return f"Classroom 50's runner sets {', '.join(names)}: not set here" if names else ""


def render(results: list[Result]) -> str:
    tests: list[dict[str, str | int]] = [
        {
            "test-name": f"{result.step}: {check.title}",
            "passed": check.earned == check.points,
            "score": check.earned,
            "max-score": check.points,
            "outcome": check.outcome,
        }
        for result in results
        for check in result.checks
        if not check.stretch and not result.error
    ]
    tests += [
        {
            "test-name": f"{result.step}: grading",
            "passed": False,
            "score": 0,
            "max-score": FULL,
            "outcome": text.printable(result.error),
        }
        for result in results
        if result.error
    ]
    data = {
        "schema": "classroom50/result/v1",
        **{field: text.printable(os.environ[name]) for field, name in FIELDS.items()},
        "datetime": results[0].when,
        "graded_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "score": sum(int(test["score"]) for test in tests),
        "max-score": sum(int(test["max-score"]) for test in tests),
        "tests": tests,
    }
    return json.dumps(data, ensure_ascii=False, indent=1) + "\n"
