"""A server of which not every TODO is written yet: what is written is tried, with ours in the place of the rest."""

import re
from dataclasses import fields

from grader.finding import CannotGrade, Finding
from grader.grading import TODO, Grading
from grader.intake.layout import SERVER
from grader.learn import home, todos
from grader.learn.skeleton import BLOCK
from grader.record import Result

OPEN = re.compile(r"""^ *raise NotImplementedError\(\s*f?["']{1,3}TODO (\d+)\b""")
PLACE = re.compile(r"(server\.py line )(\d+)((?:, in [\w<>]+)?)(: .*)?")
TRACE = re.compile(r'(File "[^"\n]*server\.py", line )(\d+)(.*)((?:\n {4}.*)*)')
OURS = "[ours, in the place of a TODO]"


class Stage:
    """A grading of the learner's file with our blocks where it says that a TODO is still to be written.

    select: what plays the lines of the TODO that is tried. back: for each line of that text, which line of the
    learner's it is; below 0 if it is ours, in the place of that line.
    """

    def __init__(self, grading: Grading, result: Result, number: int):
        """Raises CannotGrade if there is no such TODO, or if it is itself still to be written."""
        step = grading.step
        if number not in todos.todos(step):
            raise CannotGrade(f"there is no TODO {number}: step {step[:2]} has 1 to {todos.todos(step)[-1]}")
        source = grading.source.decode("utf-8", "surrogateescape")
        if any(int(match[2]) == number for match in TODO.finditer(source)):
            help_ = f"`./toxw -e hint -- {step[:2]} --todo {number}` has a hint"
            raise CannotGrade(f"TODO {number} is still to be written; {help_}")
        result.todo, self.select = grading.todo, todos.selection(step, number)
        text, self.back = filled(source, home.solution(step).read_text("utf-8"))
        grading.source = grading.snapshot.files[(SERVER,)] = text.encode("utf-8", "surrogateescape")
        result.part = f"TODO {number}"

    def tell(self, result: Result) -> None:
        """What findings say of lines is said of the learner's file; ours are not shown."""
        for finding in [check.finding for check in result.checks if check.finding]:
            for field in fields(Finding):
                value = getattr(finding, field.name)
                if isinstance(value, str):
                    setattr(finding, field.name, self.in_terms_of_theirs(value))
                elif isinstance(value, list):
                    setattr(finding, field.name, [self.in_terms_of_theirs(each) for each in value])
            finding.line = abs(self.line(finding.line))

    def line(self, number: int) -> int:
        return self.back[number - 1] if 0 < number <= len(self.back) else number

    def in_terms_of_theirs(self, words: str) -> str:
        def place(match: re.Match[str]) -> str:
            number = self.line(int(match[2]))
            line = (match[4] or "") if number > 0 or not match[4] else f": {OURS}"
            return f"{match[1]}{abs(number)}{match[3]}{line}"

        def trace(match: re.Match[str]) -> str:
            number = self.line(int(match[2]))
            return f"{match[1]}{abs(number)}{match[3]}{match[4] if number > 0 else f'{chr(10)}    {OURS}'}"

        return TRACE.sub(trace, PLACE.sub(place, words))


def filled(source: str, solution: str) -> tuple[str, list[int]]:
    """The learner's text with our block in the place of each `raise` of a TODO; and `Stage.back`."""
    ours = {block["number"]: block["solution"].splitlines() for block in BLOCK.finditer(solution)}
    lines: list[str] = []
    back: list[int] = []
    for number, line in enumerate(source.split("\n"), 1):
        match = OPEN.match(line)
        block = ours.get(match[1]) if match else None
        lines += block or [line]
        back += [-number] * len(block) if block else [number]
    return "\n".join(lines), back
