"""Records as the results.json of an Exercism test runner, version 3.

Format: https://exercism.org/docs/building/tooling/test-runners/interface. Stretch checks are left out: a test
there is passed or the exercise is not.
"""

import json

from grader.record import FAILED, NOT_STARTED, PASSED, Check, Result
from grader.report import text

LONGEST_OUTPUT, LONGEST_MESSAGE = 500, 65535  # characters


def cut(words: str, most: int) -> str:
    """At most so many characters; that there were more is said."""
    note = f"\n[... {len(words)} characters in all]"
    return words if len(words) <= most else words[: most - len(note)] + note


def entry(result: Result, check: Check) -> dict[str, object]:
    outcome = {PASSED: "pass", FAILED: "fail", NOT_STARTED: "fail"}.get(check.outcome, "error")
    data: dict[str, object] = {"name": check.title, "status": outcome, "test_code": check.code}
    data["task_id"] = int(result.step.split("_")[0])
    if outcome != "pass":
        data["message"] = cut(text.story(check), LONGEST_MESSAGE)
    if check.finding and check.finding.printed.strip():
        data["output"] = cut(text.printable(check.finding.printed.strip("\n")), LONGEST_OUTPUT)
    return data


def render(results: list[Result]) -> str:
    wrong = [result for result in results if result.error]
    graded = [result for result in results if not result.error]
    tests = [entry(result, check) for result in graded for check in result.checks if not check.stretch]
    passed = all(test["status"] == "pass" for test in tests)
    status = "error" if wrong else "pass" if passed else "fail"
    message = "\n".join(text.printable(result.error) for result in wrong)
    data = {"version": 3, "status": status, "message": cut(message, LONGEST_MESSAGE) or None, "tests": tests}
    return json.dumps(data, ensure_ascii=False, indent=1) + "\n"
