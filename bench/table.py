"""A result for the terminal: a table for each size and kind of connection, 80 columns wide."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.plan import size_words
from bench.result import AT_ITS_LIMIT, DISTURBED, Cell, Group, Result, Spread
from bench.servers import MODES, PEER
from grader.report.text import printable
from grader.words import plural

MILLI, MICRO = 1e3, 1e6
NARROW = {"gevent.pywsgi": "gevent", "http.server": "http", "ForkingMixIn": "Forking"}  # in headings
NOTES = {
    "*": f"others used more than {DISTURBED:.0%} of a processor in one of its rounds",
    "!": "errors, see below; a rate with errors in it means little",
    "w": f"wrk was at its limit (over {AT_ITS_LIMIT:.0%} of a processor): the server could do more",
}


def number(value: float) -> str:
    """Three digits or four, in at most six characters: 0.123, 4.56, 45.6, 456, 4560, 45.6k."""
    if value >= 9999.5:
        return f"{value / 1000:.1f}k"
    for least, digits in ((99.95, 0), (9.995, 1), (0.9995, 2)):
        if value >= least:
            return f"{value:.{digits}f}"
    return f"{value:.3f}"


def middle(values: Spread | None, factor: float = 1) -> str:
    return number(values.median * factor) if values else "-"


def span(values: Spread | None, factor: float = 1) -> str:
    return f"{number(values.min * factor)}-{number(values.max * factor)}" if values else "-"


def heading(cell: Cell) -> str:
    return NARROW.get(cell.server.name, cell.server.name)


def marks(cell: Cell) -> str:
    found = "*" if any(run.disturbed for run in cell.runs) else ""
    found += "!" if cell.errors else ""
    return found + ("w" if any(run.load_bound for run in cell.runs) else "")


def measured(group: Group) -> Table:
    """What was measured; the two last columns are medians of the ratios to the baseline."""
    base = group.baseline
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("\nserver", no_wrap=True)
    table.add_column("", no_wrap=True, style="yellow")
    for words in ("req/s\nmedian", "\nmin-max", "p50\nms", "p99\nms", "CPU µs\n/ req", "\nmin-max"):
        table.add_column(words, justify="right", no_wrap=True, style="dim" if "max" in words else "")
    if base:
        table.add_column(f"CPU\n/{heading(base)}", justify="right", no_wrap=True, style="bold")
        table.add_column(f"req/s\n/{heading(base)}", justify="right", no_wrap=True)
    for cell in group.cells:
        if cell.runs:
            rate, cost = cell.of("rate"), cell.of("cost")
            ratios = [middle(cell.times(base, quantity)) for quantity in ("cost", "rate")] if base else []
            table.add_row(
                Text(cell.server.name, style="" if cell.server.kind == PEER else "bold"),
                marks(cell),
                *(middle(rate), span(rate), middle(cell.of("p50"), MILLI), middle(cell.of("p99"), MILLI)),
                *(middle(cost, MICRO), span(cost, MICRO), *ratios),
            )
    return table


def compared(group: Group) -> Table:
    """Ours, and a submission's, divided by every peer; a submission's by our reference too."""
    peers = [cell for cell in group.peers if cell.runs]
    yours = any(group.reference(cell) for cell in group.ours)
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("divided by", no_wrap=True)
    table.add_column("")
    for name in [*map(heading, peers), *["ours"] * yours]:
        table.add_column(name, justify="right", no_wrap=True)
    for cell in group.ours:
        others = [*peers, *[group.reference(cell)] * yours]
        for label, quantity in (("CPU", "cost"), ("req/s", "rate")):
            ratios = [middle(cell.times(other, quantity)) if other else "-" for other in others]
            if cell.runs:
                table.add_row(cell.server.name if label == "CPU" else "", label, *ratios)
    return table


def complaints(cell: Cell) -> list[str]:
    """Lines on what went wrong with a cell."""
    words = [f"{cell.server.name}: {printable(cell.error)}"] if cell.error else []
    if cell.errors:
        total = sum(cell.errors.values())
        kinds = ", ".join(f"{count} {kind}" for kind, count in cell.errors.items())
        answers = sum(run.requests for run in cell.runs)
        words.append(f"{cell.server.name}: {plural(total, 'error')} in {plural(answers, 'answer')}: {kinds}")
    return words


def show(result: Result, console: Console) -> None:
    for group in result.groups:
        console.print(Text(f"\n{size_words(group.size)}, {MODES[group.mode]}", style="bold"))
        if any(cell.runs for cell in group.cells):
            console.print(measured(group))
        for cell in group.cells:
            for line in complaints(cell):
                console.print(Text(line, style="red"), soft_wrap=True)
        peers = sum(bool(cell.runs) for cell in group.peers)
        yours = any(cell.runs and group.reference(cell) for cell in group.ours)
        if yours or (peers > 1 and any(cell.runs for cell in group.ours)):
            console.print()
            console.print(compared(group))
    seen = {mark for cell in result.cells for mark in marks(cell)}
    console.print()
    for mark, words in NOTES.items():
        if mark in seen:
            console.print(Text(f"{mark}  {words}", style="dim"))
    if result.interrupted:
        console.print(Text("interrupted: these are the rounds that there were", style="bold yellow"))
