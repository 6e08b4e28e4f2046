"""How the checks of a step are played, and what came of each: records. It judges nothing itself.

A check is a test function. Its docstring is its rubric line; the mark `points(n)` is its worth, `stretch`
marks one that is reported beside the points, and is not run once a point is lost. Its `scenes` are what it plays.
The first check of a file is the gate: if it fails, the others are not run. What a check shows may cost another line:
then that one fails, and the check is played again.
"""

import inspect
import re
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from grader import preflight, shortage
from grader.budget import OutOfTime
from grader.finding import CannotGrade, Finding
from grader.grading import REPOSITORY, Grading, Shared
from grader.places import Tampered
from grader.record import FAILED, NOT_JUDGED, NOT_RUN, NOT_SELECTED, NOT_STARTED, PASSED, Check, Result
from grader.shortage import Shortage
from grader.story import tell


class Stage:
    """What a check may ask for. `Playing` puts the real thing in its place when the check is played."""

    @pytest.fixture
    def server(self) -> None:
        """A running server in a clean state, perhaps used by checks before."""

    @pytest.fixture
    def grading(self) -> None:
        """For checks that start servers of their own."""


class Playing:
    """The checks of one step, in the order of its suite: `result.checks`."""

    def __init__(self, result: Result, *, show: Callable[[Check], None] | None = None, stop: bool = False):
        """show: is told of a check that another has cost its line. stop: the run ends once a line is lost."""
        self.result = result
        self.show = show
        self.stop = stop
        self.gate: Check | None = None
        self.played = False
        self.doubted = False  # the machine has been looked at again, since something failed
        self.run: Grading

    def read(self, suite: ModuleType) -> None:
        """A record for each check of a suite."""
        for name, test in vars(suite).items():
            if not name.startswith("test_"):
                continue
            marks = {mark.name: mark for mark in test.pytestmark}
            worth = int(marks["points"].args[0]) if "points" in marks else 0
            code = "\n\n".join(map(inspect.getsource, test.scenes))
            name = name.removeprefix("test_")
            check = Check(name, str(test.__doc__), worth, "stretch" in marks, code=code, clients=test.clients)
            check.main = name == getattr(suite, "MAIN", "")
            self.result.checks.append(check)
        self.gate = next(iter(self.result.checks), None)
        self.watchers = list(getattr(suite, "WATCHERS", ()))

    def begin(self, grading: Grading) -> None:
        """What follows is played with servers of this; what is known of them stays known."""
        if hasattr(self, "run"):
            grading.verdicts = self.run.verdicts
        self.run = grading
        self.run.watchers = self.watchers
        self.shared = Shared(grading)

    def named(self, name: str) -> Check:
        """The record of `stalled` or `test_stalled`."""
        return next(check for check in self.result.checks if check.name == name.removeprefix("test_"))

    @property
    def selected(self) -> frozenset[str]:
        return frozenset(check.name for check in self.result.checks if check.reason != NOT_SELECTED)

    def deselect(self, check: Check) -> None:
        check.outcome, check.reason = NOT_RUN, NOT_SELECTED

    def before(self, check: Check) -> None:
        """Skip a check that cannot be played because of what is known already."""
        self.played = False
        self.run.stage.clear()
        if self.run.budget.spent:
            self.note_failure(check, OutOfTime(self.run.budget.why))
            pytest.skip(check.reason)
        if self.gate and check is not self.gate and self.gate.outcome in (FAILED, NOT_STARTED):
            self.skip(check, f"because {self.gate.name!r} failed")
        if check.stretch and any(other.outcome == FAILED and not other.stretch for other in self.result.checks):
            self.skip(check, "stretch checks come when all the points are there")
        if why := self.run.machine.cannot_try(check.name, check.clients):
            check.outcome, check.reason = NOT_JUDGED, why
            pytest.skip(why)

    @staticmethod
    def skip(check: Check, reason: str) -> None:
        check.outcome, check.reason = NOT_RUN, reason
        pytest.skip(reason)

    def play(self, item: pytest.Function) -> None:
        """Play a check, again if what it showed costs another line: that is known then, and not asked for again."""
        check = self.named(item.name)
        self.played = True
        verdicts = self.run.verdicts
        verdicts.line = check.name
        verdicts.lines = frozenset({check.name}) if check.stretch else self.selected  # what is asked there is not usual
        while True:
            try:
                return self.play_once(item)
            except Finding as finding:
                self.doubt(finding)
                line = finding.costs
                if line in ("", check.name):
                    raise
                known = (line, finding.rule) in verdicts.muted
                verdicts.muted.add((line, finding.rule))
                self.blame(line, finding)
                if known or self.stop:
                    if found := verdicts.ledger.get(check.name):  # another line's scene has shown what is wrong with it
                        raise found from None
                    unasked = f"what it needs fails, and was not asked for: `-k {line}` tells of it"
                    self.skip(check, f"it needs {line!r}" if line in self.selected else unasked)
                self.shared.drop()  # what has been asked where it stands is good for nothing else

    def play_once(self, item: pytest.Function) -> None:
        if "server" not in item.fixturenames:
            item.obj(self.run)
            return
        server = self.shared.get()
        item.obj(server)
        server.leave()
        server.goes_on()
        server.watch("over")

    def doubt(self, finding: Finding) -> None:
        """A server is blamed only on a machine that still has what it needs. Raises Shortage.

        The first time, and whenever it has printed an error of that kind, the machine is looked at again.
        """
        if self.doubted and not any(words in finding.printed for words in shortage.PRINTED):
            return
        self.doubted = True
        if preflight.short(self.run):
            for launch in list(self.run.launches):  # it may be they who hold it all
                self.run.end(launch)
            self.shared.server = None
            if why := preflight.short(self.run):
                raise Shortage(why)

    def blame(self, line: str, finding: Finding) -> None:
        """A line is broken, whichever scene has shown it."""
        self.run.verdicts.ledger.setdefault(line, finding)
        self.run.verdicts.lost.add(line)
        check = self.named(line)
        now = time.monotonic()
        if check.finding is None:
            check.stories += [story for story in (tell(server, now) for server in self.run.stage) if story.events]
        self.run.stage.clear()
        if line in self.selected and (self.stop or check.outcome in (PASSED, NOT_RUN)):
            check.outcome, check.finding, check.reason = FAILED, finding, str(finding)
            if self.show:
                self.show(check)

    def after(self, item: pytest.Item) -> None:
        """End what a check has started; a server that it leaves clean is for the next."""
        if not self.played:
            return
        if "server" in item.fixturenames:  # type: ignore[attr-defined]
            self.shared.give_back(self.named(item.name).outcome == PASSED)
            return
        shared = self.shared.server.launch if self.shared.server else None
        for launch in [launch for launch in self.run.launches if launch is not shared]:
            self.run.end(launch)

    def note(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Check:
        """Put what came of a part of a check into its record."""
        check = self.named(item.name)
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
            elif why := self.run.machine.hides(check.name):
                check.outcome, check.reason = NOT_JUDGED, why
        elif call.when == "teardown" and call.excinfo is not None:
            self.note_failure(check, call.excinfo.value)
        return check

    def first_sight(self, line: str, finding: Finding) -> Finding:
        """Of the same trouble with a line the first that was seen of it: what was asked then is the plainest."""
        known = self.run.verdicts.ledger.get(line)
        return known if known and trouble(known) == trouble(finding) else finding

    def note_failure(self, check: Check, error: BaseException) -> None:
        if isinstance(error, Tampered):
            error = Finding("the files of the site as the grader has made them", str(error))
        ours = isinstance(error, Exception) and not isinstance(error, (Finding, CannotGrade))
        if isinstance(error, OutOfTime) and (known := self.run.verdicts.ledger.get(check.name)):
            error = known
        if isinstance(error, Finding):
            error = self.first_sight(check.name, error)
            check.outcome, check.finding, check.reason = FAILED, error, str(error)
            self.run.verdicts.lost.add(check.name)
            if self.result.todo and "NotImplementedError: TODO" in error.printed:
                check.outcome, check.reason = NOT_STARTED, self.result.todo
        elif isinstance(error, CannotGrade):
            self.result.error = str(error)
        elif isinstance(error, OutOfTime):
            if check.outcome != PASSED:  # else it is what came after
                check.outcome, check.reason = NOT_JUDGED, str(error)
        elif ours and (damage := self.run.workshop.damage()):
            check.outcome, check.reason = NOT_JUDGED, damage
        elif words := shortage.in_words(error):
            check.outcome, check.reason = NOT_JUDGED, f"this machine, and not the server: {words}"
        elif not isinstance(error, (KeyboardInterrupt, pytest.skip.Exception)):
            check.outcome = NOT_JUDGED
            check.reason = f"the grader's own fault: {type(error).__name__}: {error}"


def trouble(finding: Finding) -> str:
    """What was seen, without who saw it."""
    return re.sub(r"^(client #\d+:?|GET \S+) ", "", finding.saw)


def suite(step: str) -> Path:
    """The file that holds a step's checks."""
    return REPOSITORY / "tests" / f"test_{step}.py"
