"""A grade's own pytest session: the checks of one step, and nothing shown but what the grader says."""

import time
from collections.abc import Callable, Generator, Sequence
from types import SimpleNamespace

import pytest

from grader import start
from grader.grading import Grading
from grader.playing import Playing, Stage
from grader.record import FAILED, NOT_RUN, NOT_STARTED, PASSED, Check, Result


class Grader(Stage):
    """Lives for one pytest session: has the checks played and their records filled."""

    def __init__(
        self,
        grading: Grading,
        result: Result,
        *,
        show: Callable[[Check], None] | None = None,
        first: Sequence[str] = (),
        stop: bool = False,
    ):
        """show: is told of each check that has ended. first: names of checks to begin with, after the gate.

        stop: the run ends once a line is lost.
        """
        self.grade = grading
        self.result = result
        self.show = show
        self.stop = stop
        self.first = {name: number for number, name in enumerate(first)}
        self.playing = Playing(result, show=show, stop=stop)
        self.began = time.monotonic()
        self.trouble: list[str] = []

    def pytest_configure(self, config: pytest.Config) -> None:
        add_marks(config)

    def pytest_collection_modifyitems(self, items: list[pytest.Function]) -> None:
        if items:
            self.playing.read(items[0].module)
            self.playing.begin(self.grade)
        last = len(self.first)
        gate = self.playing.gate
        items.sort(key=lambda item: (self.check(item) is not gate, self.first.get(self.check(item).name, last)))

    def check(self, item: pytest.Item) -> Check:
        return self.playing.named(item.name)

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        for item in items:
            self.playing.deselect(self.check(item))

    def pytest_timeout_set_timer(self, item: pytest.Item, settings: SimpleNamespace) -> bool:
        """pytest-timeout's own timer knows nothing of the budget, and asks for a terminal."""
        self.grade.budget.set_alarm(settings.timeout)
        return True

    def pytest_timeout_cancel_timer(self, item: pytest.Item) -> bool:
        self.grade.budget.cancel_alarm()
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if start.heard:  # and the run goes on
            raise KeyboardInterrupt
        self.playing.before(self.check(item))

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool:
        self.playing.play(pyfuncitem)
        return True

    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        self.playing.after(item)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        check = self.playing.note(item, call)
        lost = self.grade.verdicts.ledger or (check.outcome in (FAILED, NOT_STARTED) and not check.stretch)
        if self.stop and lost:
            item.session.shouldfail = f"a line is lost: {check.name}"
        return report

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        check = self.playing.named(nodeid.rpartition("::")[2])
        if self.show and check.outcome != NOT_RUN:
            self.show(check)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.trouble.append(str(report.longrepr))

    def pytest_internalerror(self, excrepr: object) -> None:
        self.trouble.append(str(excrepr))

    def pytest_sessionfinish(self) -> None:
        self.result.seconds = time.monotonic() - self.began
        if self.trouble and not any(check.outcome == PASSED for check in self.result.checks):
            self.result.error = f"the grader is broken: {self.trouble[0][-1500:]}"


def add_marks(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "points(n): what the check is worth, of the step's 100")
    config.addinivalue_line("markers", "stretch: reported beside the points, never part of them")
