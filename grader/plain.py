"""Plain pytest, as people and editors run it on the suites: what came of a check becomes pytest's own report of it.

A failed check is a failed test that shows the finding; one that was not started, not run or not judged is skipped, with
its reason; a failed stretch check is an expected failure. The points stand in the summary. With pytest-xdist all the
checks of a step are played by one worker; what the workers found is put together where the reports come together.
"""

import signal
import sys
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from _pytest._code.code import ExceptionChainRepr, ReprEntryNative, ReprFileLocation, ReprTraceback

from grader import STEPS, bad_patience, waiting
from grader.grading import REPOSITORY
from grader.playing import Playing, Stage, suite
from grader.plugin import add_marks
from grader.record import FAILED, FULL, NOT_RUN, PASSED, Check, Result
from grader.report import text
from grader.run import opened

CONFIGURATION = REPOSITORY / "tox.ini"
SUITES = {suite(step): step for step in STEPS}
PLAYING = pytest.StashKey[Playing]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("Eight Servers")
    group.addoption("--submission", metavar="DIR", help="grade DIR/NN_name/server.py; steps/ if not said")


def pytest_configure(config: pytest.Config) -> None:
    add_marks(config)
    if sys.platform != "linux":
        raise pytest.UsageError("Eight Servers needs Linux: on Windows use WSL 2, elsewhere the dev container.")
    if sys.flags.optimize > 1:
        raise pytest.UsageError("without docstrings a check has no words: unset PYTHONOPTIMIZE, or leave out -OO")
    if why := bad_patience():
        raise pytest.UsageError(why)
    if config.inipath != CONFIGURATION and not config.known_args_namespace.inifilename:
        raise pytest.UsageError(
            f"pytest found {config.inipath}, and it is {CONFIGURATION} that configures these suites; "
            f"say -c {CONFIGURATION}, and --submission=DIR in one word"
        )
    # Where workers are started, they are told the path as it is seen from here.
    folder = config.invocation_params.dir / (config.option.submission or REPOSITORY / "steps")
    if not folder.exists():
        raise pytest.UsageError(f"--submission: {folder} is not there; give a folder that holds NN_name/server.py")
    config.option.submission = str(folder)
    config.pluginmanager.register(Plain(config), "eight-servers")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A step is for one worker: what its checks show may cost each other's lines."""
    from xdist.scheduler import LoadFileScheduling

    return None if config.option.dist == "each" else LoadFileScheduling(config, log)


class Plain(Stage):
    """Lives for one pytest session. With xdist there is one in each worker, and one where the reports are shown."""

    def __init__(self, config: pytest.Config):
        self.config = config
        self.steps: dict[str, Playing] = {}
        self.running: Playing | None = None
        self.stack = ExitStack()
        self.late: list[Check] = []  # lines that had passed, and have been lost since
        self.records: dict[str, dict[str, Any]] = {}  # nodeid -> what came of it, here or in a worker
        if not self.is_worker:
            for number in (signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(number) == signal.SIG_DFL:
                    signal.signal(number, signal.default_int_handler)

    @property
    def is_worker(self) -> bool:
        return hasattr(self.config, "workerinput")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Function]) -> None:
        """Whatever order others have brought: step after step, in each the gate first and the stretch checks last."""
        files = {path: number for number, path in enumerate(dict.fromkeys(item.path for item in items))}
        places = {}
        for item in items:
            places[item.nodeid] = files[item.path], 0
            if item.path not in SUITES:
                continue
            playing = item.stash[PLAYING] = self.playing(item)
            check = playing.named(item.name)
            places[item.nodeid] = files[item.path], 2 if check.stretch else check is not playing.gate
            item.add_marker(pytest.mark.filterwarnings("ignore"))  # ours are no warnings of the server that is graded
            if not self.config.getoption("timeout", None):
                item.add_marker(pytest.mark.timeout(6 * waiting.LIMIT))
        items.sort(key=lambda item: places[item.nodeid])

    def playing(self, item: pytest.Function) -> Playing:
        step = SUITES[item.path]
        if step not in self.steps:
            self.steps[step] = Playing(Result(step, self.config.option.submission), show=self.late.append)
            self.steps[step].read(item.module)
        return self.steps[step]

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        chosen = {(item.path, item.name) for item in session.items}
        for step, playing in self.steps.items():
            for check in playing.result.checks:
                if (suite(step), f"test_{check.name}") not in chosen:
                    playing.deselect(check)

    def enter(self, playing: Playing) -> None:
        """What lasts for the checks of one step: from the first of them to the last."""
        if self.running is playing:
            return
        self.leave()
        self.running, result = playing, playing.result
        if grading := self.stack.enter_context(opened(result, Path(self.config.option.submission))):
            grading.partial = len(playing.selected) < len(result.checks)
            result.todo = grading.todo
            playing.begin(grading)

    def leave(self) -> None:
        self.running = None
        self.stack.close()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if playing := item.stash.get(PLAYING, None):
            self.enter(playing)
            if not playing.result.error:
                playing.before(playing.named(item.name))

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        """Play a check. What it raises is what pytest and its plugins know best; `shaped` has the words."""
        playing = pyfuncitem.stash.get(PLAYING, None)
        if playing is None:
            return None
        check, result = playing.named(pyfuncitem.name), playing.result
        try:
            if not result.error:
                playing.play(pyfuncitem)
        except Exception as error:
            playing.note_failure(check, error)
            if check.outcome == FAILED:
                raise AssertionError(check.reason) from None
            if not result.error:
                pytest.skip(check.reason)
        if result.error:
            told = any(other.reason == result.error for other in result.checks)
            check.reason = result.error
            if not told:
                raise AssertionError(result.error)
            pytest.skip(result.error)
        return True

    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        if playing := item.stash.get(PLAYING, None):
            playing.after(item)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        result = yield
        if nextitem is None or nextitem.stash.get(PLAYING, None) is not self.running:
            self.leave()
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if playing := item.stash.get(PLAYING, None):
            broken = playing.result.error  # nothing has begun, or goes on
            check = playing.named(item.name) if broken else playing.note(item, call)
            shape(report, playing.result, check)
            vars(report)["eight_servers"] = self.entry(playing.result, check, report)
        return report

    def entry(self, result: Result, check: Check, report: pytest.TestReport) -> dict[str, Any]:
        """What is known of a check, in types that a worker can send; `late` are others' lines that it has cost."""
        late = [(other.name, telling(result, other)) for other in self.late]
        self.late.clear()
        known = {name: getattr(check, name) for name in ("points", "stretch", "outcome", "notes")}
        return {
            **known,
            "step": result.step,
            "of_step": result.notes,
            "error": result.error,
            "location": report.location,
            "late": late,
        }

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        entry = vars(report).get("eight_servers")
        if entry and not self.is_worker:
            self.records[report.nodeid] = entry
            for name, told in entry["late"]:
                self.lose(f"{report.nodeid.rpartition('::')[0]}::test_{name}", told)

    def lose(self, nodeid: str, told: tuple[list[str], str, int, str]) -> None:
        """A line that has passed, or was not run, is broken after all: its test has failed, and that alone counts."""
        record = self.records[nodeid]
        record["outcome"] = FAILED
        if terminal := self.config.pluginmanager.get_plugin("terminalreporter"):
            for outcome in ("passed", "skipped"):
                reports = terminal.stats.get(outcome, [])
                reports[:] = [report for report in reports if report.nodeid != nodeid]
        report = pytest.TestReport(nodeid, tuple(record["location"]), {}, "failed", None, "call")
        fail(report, record["stretch"], *told)
        self.config.hook.pytest_runtest_logreport(report=report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """All that was chosen has passed, or the status is not 0: a check that is skipped has no points."""
        self.leave()
        missing = any(record["outcome"] != PASSED and not record["stretch"] for record in self.records.values())
        if missing and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.records:
            return
        terminalreporter.section("Eight Servers")
        for step in STEPS:
            records = {nodeid: record for nodeid, record in self.records.items() if record["step"] == step}
            for nodeid, record in records.items():
                for note in record["notes"]:
                    terminalreporter.line(text.printable(f"note: {nodeid}: {note}"))
            for note in dict.fromkeys(note for record in records.values() for note in record["of_step"]):
                terminalreporter.line(text.printable(f"note: {step}: {note}"))
            if records:
                terminalreporter.line(f"{step}: {points(list(records.values()))}")


def points(records: list[dict[str, Any]]) -> str:
    if error := records[-1]["error"]:
        return text.in_a_line(f"nothing could be graded: {error}")
    asked: int = sum(record["points"] for record in records)
    earned: int = sum(record["points"] for record in records if record["outcome"] == PASSED)
    beside = [record["outcome"] == PASSED for record in records if record["stretch"] and record["outcome"] != NOT_RUN]
    words = f"{earned} of {asked} points" + f" (of {FULL}, the others were not selected)" * (asked != FULL)
    return words + (f", and {sum(beside)} of {len(beside)} stretch checks" if beside else "")


def shape(report: pytest.TestReport, result: Result, check: Check) -> None:
    """Make pytest's report of a part of a check say what its record says, in the grader's words."""
    if report.when == "teardown" or (report.when == "setup" and report.passed) or check.outcome == PASSED:
        if report.failed:
            report.longrepr = text.printable(check.reason)
    elif check.outcome == FAILED:
        fail(report, check.stretch, *telling(result, check))
    elif report.failed and result.error:
        report.longrepr = text.printable(result.error)
    else:
        report.outcome = "skipped"
        # pytest folds skipped tests of one place and one reason.
        report.longrepr = report.location[0], 1, text.printable(f"Skipped: {check.outcome}: {check.reason}")


def telling(result: Result, check: Check) -> tuple[list[str], str, int, str]:
    """A finding for `fail`: its words, the learner's server.py, the line there or 1, and all of it in a line."""
    assert check.finding
    words = [check.title, *text.failure(check.finding).split("\n")]
    return [f"{word}\n" for word in words], result.script, check.finding.line or 1, text.in_a_line(check.reason)


def fail(report: pytest.TestReport, stretch: bool, words: list[str], script: str, line: int, reason: str) -> None:
    """A failed check is a failed test; one beside the points is a failure that pytest counts as expected."""
    place = ReprFileLocation(script, line, reason)
    native = ReprTraceback([ReprEntryNative(words)], None, style="native")
    report.longrepr = ExceptionChainRepr([(native, place, None)])
    report.outcome = "skipped" if stretch else "failed"
    if stretch:
        vars(report)["wasxfail"] = f"beside the points: {reason}"
