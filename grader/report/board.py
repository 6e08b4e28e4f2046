"""Records for a terminal with colours: what `text` says, aligned, with the first failure in full.

Nothing of a submission is read as markup or as a control sequence: it comes as rich's Text of `text.printable`.
"""

import os
import sys
from collections.abc import Callable

from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from grader.finding import Finding
from grader.record import FAILED, NOT_JUDGED, NOT_RUN, NOT_STARTED, PASSED, Check, Result
from grader.report import advice, text

SIGNS = {
    PASSED: ("✓", "green"),
    FAILED: ("✗", "bold red"),
    NOT_STARTED: ("·", "yellow"),
    NOT_RUN: ("-", "dim"),
    NOT_JUDGED: ("?", "magenta"),
}


def wanted() -> bool:
    """Whether standard output is a terminal that shows colours, and nobody has asked for none, https://no-color.org."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"


def console() -> Console:
    return Console(highlight=False, emoji=False, markup=False)


def words(value: str, style: str = "") -> Text:
    return Text(text.printable(value), style=style)


def row(check: Check) -> Table:
    sign, style = SIGNS[check.outcome]
    points = "stretch" if check.stretch else f"{check.earned}/{check.points}"
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=3, justify="right")
    grid.add_column(width=7, justify="right", style="dim")
    grid.add_column(ratio=1)
    grid.add_row(Text(sign, style=style), points, words(check.title, "dim" if check.outcome == NOT_RUN else ""))
    return grid


def line(check: Check) -> None:
    """A check has ended: its line."""
    console().print(row(check))


def story(finding: Finding) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(ratio=1)
    if finding.did:
        grid.add_row("did", words("; ".join(filter(None, finding.did))))
    grid.add_row("expected", words(finding.expected))
    grid.add_row("saw", words(finding.saw, "bold"))
    if finding.how:
        grid.add_row("known", words(finding.how, "dim"))
    for number, place in enumerate(finding.stood):
        grid.add_row("stood" if not number else "", words(place))
    if finding.cause:
        grid.add_row("cause", words(finding.cause, "bold yellow"))
    for number, printed in enumerate(text.printed_lines(finding)):
        grid.add_row("printed" if not number else "", words(f"| {printed}", "dim"))
    if finding.look_at:
        grid.add_row("look at", words(finding.look_at, "italic"))
    return grid


def summary(result: Result) -> None:
    """The end of a run: what matters stands last, for it is what is on the screen."""
    out = console()
    failed = text.failures(result)
    if rest := text.others(failed[1:]):
        out.print(Rule("failed too, perhaps for the same reason", style="dim", align="left"))
        grid = Table.grid(padding=(0, 2))
        grid.add_column(no_wrap=True, style="red")
        grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        for name, saw in rest:
            grid.add_row(name, words(saw))
        out.print(Padding(grid, (0, 2)))
    for said in text.other_lines(result):
        out.print(Text(said, style="dim"))
    if failed and (finding := failed[0].finding):
        title = Text.assemble("first: ", (text.printable(failed[0].title), "bold"))
        out.print(Panel(story(finding), title=title, title_align="left", border_style="red", padding=(0, 1)))
        if finding.repeat:  # outside, and in one piece, so that it can be copied
            remark, _, line = finding.repeat.rpartition("\n")
            out.print(Text.assemble(("by hand: ", "dim"), words(remark, "dim")), soft_wrap=True)
            out.print(words(line, "cyan"), soft_wrap=True)
    score = Text(text.score(result), style="bold green" if result.done else "bold")
    score.append(f"  {result.step}, {result.seconds:.1f} s, walls: {result.walls}", style="dim")
    out.print(score)
    if result.walls_note:
        out.print(Text(f"walls: {text.printable(result.walls_note)}", style="dim"))


def closing(results: list[Result], say: Callable[[str], None]) -> None:
    """The last lines of a run, `advice.closing` in colours."""
    out = console()

    def coloured(line: str) -> None:
        label, _, words = line.partition(": ")
        out.print(Text.assemble((f"{label}: ", "dim"), words), soft_wrap=True)

    advice.closing(results, coloured)
