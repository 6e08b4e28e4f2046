"""What a run has found of a submission so far: its servers are all alike, and each finding costs one line."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from grader.finding import Finding

if TYPE_CHECKING:
    from grader.subject import Server


@dataclass(frozen=True)
class Watcher:
    """What must hold of a server in every scene, whatever the scene is about.

    line: of the rubric, what it costs. moment: "rest" (the server has done what it had begun) or "over" (the scene is,
    and every client has left). look: raises Finding, at the cost of that line.
    """

    line: str
    moment: str
    look: "Callable[[Server], None]"

    @property
    def name(self) -> str:
        return self.look.__name__


@dataclass
class Verdicts:
    """Shared by all the servers of a run.

    caught: one went round, or reached the deadline; it is wrong by the full measure, and what else is
    wrong with it need not take as long. unsettled: one did not show a state that sharpens a check.
    waited: most of a minute has passed by the true clock.
    line: of the check that runs. lines: those that are judged in this run. ledger: line -> what another line's scene
    has shown of it. muted: line and rule that are known to be broken: what else is wrong is then looked for.
    controls: a head that was asked alone -> the line that it costs. ends: how a server ended by itself, its status and
    its traceback -> the line that this has cost: it costs no second one. unanswered: heads that have cost a line for
    want of an answer, or of its end. lost: lines; what breaks one is left out where another asks for something else.
    rested: states of its clients in which a server has used no CPU. seconds_by_hand: spent on trying lines of shell.
    """

    caught: bool = False
    unsettled: bool = False
    waited: bool = False
    line: str = ""
    lines: frozenset[str] = frozenset()
    ledger: dict[str, Finding] = field(default_factory=dict)
    muted: set[tuple[str, str]] = field(default_factory=set)
    controls: dict[bytes, str] = field(default_factory=dict)
    ends: dict[str, str] = field(default_factory=dict)
    unanswered: set[bytes] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    seconds_by_hand: float = 0.0
    rested: set[object] = field(default_factory=set)

    def judges(self, line: str, rule: str) -> bool:
        """Whether a breach of this rule is still news. line "": the watcher finds the line out."""
        return (line in self.lines and (line, rule) not in self.muted) or not line
