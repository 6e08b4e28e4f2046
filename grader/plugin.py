"""pytest as the machine that runs the checks: points, outcomes, results. It judges nothing itself.

A check is a test function. Its docstring is its rubric line; the mark `points(n)` is its worth, `stretch`
marks one that is reported beside the points, and is not run once a point is lost. Its `scenes` are what it plays.
The first check of a file is the gate: if it fails, the others are not run. What a check shows may cost another line:
then that one fails, and the check is played again.
"""

import inspect
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from grader.budget import OutOfTime
from grader.finding import CannotGrade, Finding
from grader.grading import Grading, Shared
from grader.record import FAILED, NOT_JUDGED, NOT_RUN, NOT_SELECTED, NOT_STARTED, PASSED, Check, Result
from grader.story import tell
from grader.subject import Server


class Grader:
    """Lives for one pytest session: hands servers to checks and turns their reports into records."""

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
        self.run = grading
        self.result = result
        self.show = show
        self.stop = stop
        self.first = {name: number for number, name in enumerate(first)}
        self.checks: dict[str, Check] = {}
        self.shared = Shared(grading)
        self.gate: Check | None = None
        self.began = time.monotonic()
        self.trouble: list[str] = []

    @pytest.fixture
    def server(self, request: pytest.FixtureRequest) -> Iterator[Server]:
        """A running server in a clean state, perhaps used by checks before."""
        yield self.shared.get()
        self.shared.give_back(self.checks[request.node.nodeid].outcome == PASSED)

    @pytest.fixture
    def grading(self, request: pytest.FixtureRequest) -> Iterator[Grading]:
        """For checks that start servers of their own."""
        yield self.run
        shared = self.shared.server.launch if self.shared.server else None
        for launch in [launch for launch in self.run.launches if launch is not shared]:
            self.run.end(launch)

    def pytest_collection_modifyitems(self, items: list[pytest.Function]) -> None:
        for item in items:
            mark = item.get_closest_marker("points")
            title = inspect.cleandoc(item.obj.__doc__ or item.name).split("\n\n")[0].replace("\n", " ")
            stretch = item.get_closest_marker("stretch") is not None
            worth = int(mark.args[0]) if mark else 0
            code = "\n\n".join(map(inspect.getsource, item.obj.scenes))
            check = Check(item.name.removeprefix("test_"), title, worth, stretch, code=code)
            self.checks[item.nodeid] = check
            self.result.checks.append(check)
            self.gate = self.gate or check
        self.run.watchers = list(getattr(items[0].module, "WATCHERS", ())) if items else []
        last = len(self.first)
        items.sort(key=lambda item: (self.checks[item.nodeid] is not self.gate, self.first.get(self.name(item), last)))

    def name(self, item: pytest.Item) -> str:
        return self.checks[item.nodeid].name

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        for item in items:
            self.checks[item.nodeid].outcome = NOT_RUN
            self.checks[item.nodeid].reason = NOT_SELECTED

    def pytest_timeout_set_timer(self, item: pytest.Item, settings: SimpleNamespace) -> bool:
        """pytest-timeout's own timer knows nothing of the budget, and asks for a terminal."""
        self.run.budget.set_alarm(settings.timeout)
        return True

    def pytest_timeout_cancel_timer(self, item: pytest.Item) -> bool:
        self.run.budget.cancel_alarm()
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        check = self.checks[item.nodeid]
        self.run.stage.clear()
        if self.run.budget.spent:
            self.note_failure(check, OutOfTime(self.run.budget.why))
            pytest.skip(check.reason)
        if self.gate and check is not self.gate and self.gate.outcome in (FAILED, NOT_STARTED):
            check.outcome, check.reason = NOT_RUN, f"because {self.gate.name!r} failed"
            pytest.skip(check.reason)
        if check.stretch and any(other.outcome == FAILED and not other.stretch for other in self.checks.values()):
            check.outcome, check.reason = NOT_RUN, "stretch checks come when all the points are there"
            pytest.skip(check.reason)

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool:
        """Play a check, again if what it showed costs another line: that is known then, and not asked for again."""
        check = self.checks[pyfuncitem.nodeid]
        verdicts = self.run.verdicts
        verdicts.line = check.name
        verdicts.lines = frozenset({check.name}) if check.stretch else self.selected  # what is asked there is not usual
        while True:
            try:
                self.play(pyfuncitem)
                return True
            except Finding as finding:
                line = finding.costs
                if line in ("", check.name):
                    raise
                known = (line, finding.rule) in verdicts.muted
                verdicts.muted.add((line, finding.rule))
                self.blame(line, finding)
                if known or self.stop:
                    if found := verdicts.ledger.get(check.name):  # another line's scene has shown what is wrong with it
                        raise found from None
                    check.outcome, check.reason = NOT_RUN, f"it needs {line!r}"
                    pytest.skip(check.reason)
                self.renew(pyfuncitem)

    @staticmethod
    def play(item: pytest.Function) -> None:
        server = item.funcargs.get("server")
        item.obj(**{name: item.funcargs[name] for name in item._fixtureinfo.argnames})
        if isinstance(server, Server):
            server.leave()
            server.goes_on()
            server.watch("over")

    def renew(self, item: pytest.Function) -> None:
        """What has been asked where it stands is good for nothing else."""
        self.shared.drop()
        if "server" in item.funcargs:
            item.funcargs["server"] = self.shared.get()

    def blame(self, line: str, finding: Finding) -> None:
        """A line is broken, whichever scene has shown it."""
        self.run.verdicts.ledger.setdefault(line, finding)
        check = next(check for check in self.result.checks if check.name == line)
        now = time.monotonic()
        if check.finding is None:
            check.stories += [story for story in (tell(server, now) for server in self.run.stage) if story.events]
        self.run.stage.clear()
        if line in self.selected and (self.stop or check.outcome in (PASSED, NOT_RUN)):
            check.outcome, check.finding, check.reason = FAILED, finding, str(finding)
            if self.show:
                self.show(check)

    @property
    def selected(self) -> frozenset[str]:
        return frozenset(check.name for check in self.result.checks if check.reason != NOT_SELECTED)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        check = self.checks[item.nodeid]
        check.seconds += call.duration
        check.notes += self.run.notes
        self.run.notes.clear()
        if call.when == "call" or call.excinfo is not None:
            now = time.monotonic()
            told = [tell(server, now) for server in self.run.stage]
            check.stories += [story for story in told if story.events or story.sights]
            self.run.stage.clear()
        if call.excinfo is not None and check.outcome == NOT_JUDGED:
            self.note_failure(check, call.excinfo.value)
        elif call.when == "call" and call.excinfo is None:
            check.outcome, check.reason = PASSED, ""
            if found := self.run.verdicts.ledger.get(check.name):
                check.outcome, check.finding, check.reason = FAILED, found, str(found)
        elif call.when == "teardown" and call.excinfo is not None:
            self.note_failure(check, call.excinfo.value)
        if self.stop and (self.run.verdicts.ledger or (check.outcome in (FAILED, NOT_STARTED) and not check.stretch)):
            item.session.shouldfail = f"a line is lost: {check.name}"
        return report

    def note_failure(self, check: Check, error: BaseException) -> None:
        ours = isinstance(error, Exception) and not isinstance(error, (Finding, CannotGrade))
        if ours and (damage := self.run.workshop.damage()):
            error = Finding("the grader's own files as they were", damage)
        if isinstance(error, OutOfTime) and (known := self.run.verdicts.ledger.get(check.name)):
            error = known
        if isinstance(error, Finding):
            check.outcome, check.finding, check.reason = FAILED, error, str(error)
            if self.result.todo and "NotImplementedError: TODO" in error.printed:
                check.outcome, check.reason = NOT_STARTED, self.result.todo
        elif isinstance(error, CannotGrade):
            self.result.error = str(error)
        elif isinstance(error, OutOfTime):
            if check.outcome != PASSED:  # else it is what came after
                check.outcome, check.reason = NOT_JUDGED, str(error)
        elif not isinstance(error, (KeyboardInterrupt, pytest.skip.Exception)):
            check.outcome = NOT_JUDGED
            check.reason = f"the grader's own fault: {type(error).__name__}: {error}"

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        if self.show and self.checks[nodeid].outcome != NOT_RUN:
            self.show(self.checks[nodeid])

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.trouble.append(str(report.longrepr))

    def pytest_internalerror(self, excrepr: object) -> None:
        self.trouble.append(str(excrepr))

    def pytest_sessionfinish(self) -> None:
        self.result.seconds = time.monotonic() - self.began
        if self.trouble and not any(check.outcome == PASSED for check in self.result.checks):
            self.result.error = f"the grader is broken: {self.trouble[0][-1500:]}"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "points(n): what the check is worth, of the step's 100")
    config.addinivalue_line("markers", "stretch: reported beside the points, never part of them")


def suite(step: str) -> Path:
    """The file that holds a step's checks."""
    return Path(__file__).resolve().parent.parent / "tests" / f"test_{step}.py"
