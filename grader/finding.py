"""A failed check as data. Reports turn it into text; no check ever formats its own message."""

from dataclasses import dataclass, field


@dataclass
class Finding(AssertionError):
    """What a failed check says.

    did: what the clients did, in order. expected: what the contract asks for. saw: what happened
    instead. how: how the grader knows that waiting longer would not help. stood: where the server's
    processes and threads were. cause: the likely cause, only where the evidence names it. line: of the
    learner's server.py, where the thread that matters stood; 0 if that is not known. look_at: a question
    that leads to the bug. repeat: how to see it by hand. costs: the line of the rubric that it costs, "" for that of
    the check that runs; rule: which of its rules.
    """

    expected: str
    saw: str
    did: list[str] = field(default_factory=list)
    how: str = ""
    stood: list[str] = field(default_factory=list)
    cause: str = ""
    line: int = 0
    look_at: str = ""
    repeat: str = ""
    printed: str = ""
    costs: str = ""
    rule: str = ""

    def __str__(self) -> str:
        return f"expected {self.expected}; saw {self.saw}"


class CannotGrade(Exception):
    """Nothing can be graded; the text says why and what to do."""


class Refused(CannotGrade):
    """The same, because of what was handed in: it would be so on any machine."""
