"""Run a step's checks in pytest and fill the result; what pytest prints itself is not shown."""

import pytest

from grader import waiting
from grader.grading import REPOSITORY, Grading
from grader.plugin import Grader, suite
from grader.record import Result


def run(grading: Grading, result: Result, *, select: str | None = None, quiet: bool = False) -> None:
    """Grade one step. After this every check of the suite has a record, whatever happened."""
    result.todo = grading.todo
    given = ["-c", str(REPOSITORY / "tests" / "pytest.ini"), "--rootdir", str(REPOSITORY)]
    given += ["-p", "no:terminal", "-p", "no:cacheprovider", "-p", "no:faulthandler", "-s"]
    given += [f"--timeout={6 * waiting.LIMIT:.0f}", str(suite(result.step))]
    if select:
        given += ["-k", select]
    status = pytest.main(given, plugins=[Grader(grading, result, quiet=quiet)])
    if status == pytest.ExitCode.USAGE_ERROR:
        result.error = f"-k {select!r} is no expression of names, `and`, `or`, `not` and brackets"
