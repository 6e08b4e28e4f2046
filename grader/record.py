"""What a grading run found: one record a check, and their sum. Every report is made from these."""

from dataclasses import dataclass, field

from grader.finding import Finding

PASSED, FAILED = "passed", "failed"
NOT_STARTED = "not started"  # a TODO of the skeleton still raises NotImplementedError
NOT_RUN = "not run"  # what it depends on failed, or it was not selected
NOT_JUDGED = "not judged"  # the grader's fault, or it was interrupted
FULL = 100
ENDED_BEFORE = "the run ended before"
NOT_SELECTED = "not selected"


@dataclass
class Story:
    """What happened in a check, for the picture. Times are seconds by time.monotonic().

    did: what was tried, in sentences. events: (time, client, what, detail), in the words of `client.Event`.
    sights: (time, what the server's processes and threads were doing, a line each). left_out: how many
    clients are not told of.
    """

    began: float
    ended: float
    events: list[tuple[float, str, str, str]] = field(default_factory=list)
    sights: list[tuple[float, list[str]]] = field(default_factory=list)
    left_out: int = 0
    did: list[str] = field(default_factory=list)


@dataclass
class Check:
    """One line of the rubric and what came of it. `points` is 0 for a stretch check; `main`: what the step is about."""

    name: str
    title: str
    points: int
    stretch: bool = False
    outcome: str = NOT_JUDGED
    reason: str = ENDED_BEFORE
    finding: Finding | None = None
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    stories: list[Story] = field(default_factory=list)  # one for each server that it used
    code: str = ""  # the source of the check itself
    clients: int = 0  # how many it has at a time, if it is about so many
    main: bool = False

    @property
    def earned(self) -> int:
        return self.points if self.outcome == PASSED else 0


@dataclass
class Result:
    """A graded step. `error` is set when nothing could be graded, and says why; `refused`: it is so on any machine.

    part: what was chosen of the step, "" for all of it. interrupted: a signal ended the run before its time. script:
    the path of server.py as given; sha256: of its bytes; snapshot: of all that was graded, names and bytes
    (`intake.Snapshot`); notes: what of the submission was left out; when: the start, UTC, ISO 8601. walls:
    which were around the server (grader.walls), and what that means.
    """

    step: str
    submission: str
    script: str = ""
    sha256: str = ""
    snapshot: str = ""
    notes: list[str] = field(default_factory=list)
    when: str = ""
    checks: list[Check] = field(default_factory=list)
    todo: str = ""
    part: str = ""
    error: str = ""
    refused: bool = False
    interrupted: bool = False
    seconds: float = 0.0
    walls: str = "none"
    walls_note: str = ""

    @property
    def score(self) -> int:
        return 0 if self.error else sum(check.earned for check in self.checks)

    @property
    def selected(self) -> list[Check]:
        return [check for check in self.checks if check.reason != NOT_SELECTED]

    @property
    def empty(self) -> bool:
        """Whether the step has nothing of what was chosen."""
        return bool(self.part and self.checks and not self.selected)

    @property
    def done(self) -> bool:
        """Whether all that was asked for is there: the points, or of a part each check that it has."""
        if self.part:
            return not self.error and all(check.outcome == PASSED for check in self.selected)
        return self.score == FULL

    @property
    def status(self) -> int:
        """Exit status: 0 all points (of a part: all of it passed), 1 not all, 2 nothing could be graded."""
        return 2 if self.error else 0 if self.done else 1
