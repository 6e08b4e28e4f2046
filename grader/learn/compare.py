"""The learner's server beside ours: the difference, both graded, both pictures, and requests a second.

How fast a server is has no part in its grade; it is told because one wants to know.
"""

import argparse
import difflib
import http.client
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.syntax import Syntax

from grader.finding import CannotGrade, Finding
from grader.grading import REPOSITORY
from grader.learn import home, progress
from grader.record import FULL, Result
from grader.report import board, page
from grader.report.files import write_whole
from grader.report.text import printable
from grader.run import opened, run

REQUESTS, AT_ONCE, LONGEST = 300, 8, 5.0  # seconds
TARGET = "/page1.txt"


def difference(step: str) -> str:
    mine, ours = home.source(step).splitlines(), home.solution(step).read_text("utf-8").splitlines()
    names = home.shown(home.script(step)), home.shown(home.solution(step))
    return "\n".join(printable(line) for line in difflib.unified_diff(mine, ours, *names, lineterm="", n=2))


def graded(folder: str, step: str) -> tuple[Result, list[str]]:
    """The result, and requests a second: one after the other, and several at once."""
    result, rates = Result(step, folder), ["", ""]
    with opened(result, REPOSITORY / folder) as grading:
        if grading:
            run(grading, result)
            try:
                with grading.started() as server:
                    rates = [f"{rate(server.address, clients):.0f}" for clients in (1, AT_ONCE)]
            except (Finding, OSError, http.client.HTTPException):
                rates = ["-", "-"]
    return result, rates


def rate(address: tuple[str, int], clients: int) -> float:
    """Requests a second, each on a connection of its own, bounded in number and time."""
    end = time.monotonic() + LONGEST

    def ask(count: int) -> int:
        for done in range(count):
            if time.monotonic() > end:
                return done
            connection = http.client.HTTPConnection(*address, timeout=LONGEST)
            connection.request("GET", TARGET, headers={"Connection": "close"})
            connection.getresponse().read()
            connection.close()
        return count

    began = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        done = sum(pool.map(ask, [REQUESTS // clients] * clients))
    return done / (time.monotonic() - began)


def not_yet(kept: Path, step: str) -> str:
    """Why our solution would be told too early, in a few words; "" if it would not."""
    if home.source(step) == home.skeleton(step):
        return "yours is not begun"
    if todo := home.open_todo(step):
        return f"yours still has {todo.split(':')[0]}"
    result = progress.last(kept, step)
    if result is None or progress.changed(result, step):
        return f"yours, as it is now, has not been graded: `./toxw -e step{step[:2]}`"
    return f"yours has {result['score']} of {FULL} points" if result["score"] < FULL else ""


def agreed(options: argparse.Namespace) -> bool:
    """Whether our solution may be shown: it is a reader's to say, where there is one. Raises CannotGrade if not."""
    why = not_yet(options.kept, options.step)
    if not why or options.anyway:
        return True
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        shows = f"`./toxw -e compare -- {options.step[:2]} --anyway`"
        raise CannotGrade(f"this shows our solution, and {why}; {shows} shows it all the same")
    try:
        said = input(f"This shows our solution, and {why}. Show it all the same? [y/N] ")
    except EOFError:
        said = ""
    return said.strip().lower() in ("y", "yes")


def show(options: argparse.Namespace) -> int:
    step = options.step
    if not agreed(options):
        return 0
    diff = difference(step)
    if diff and board.wanted():
        board.console().print(Syntax(diff, "diff", background_color="default", word_wrap=True))
    else:
        print(diff or "the files are the same")
    print("\ngrading both, a moment ...", flush=True)
    (mine, my_rates), (ours, our_rates) = graded("steps", step), graded("solutions", step)
    if mine.error:
        print(mine.error, file=sys.stderr)
        return 2
    print(f"  {'':<34} {'yours':>8} {'ours':>8}")
    print(f"  {'points':<34} {mine.score:>8} {ours.score:>8}")
    labels = [f"requests a second, {words}" for words in ("one client", f"{AT_ONCE} at once")]
    rates = list(zip(labels, my_rates, our_rates, strict=True))
    for label, my_rate, our_rate in rates:
        print(f"  {label:<34} {my_rate:>8} {our_rate:>8}")
    print("  (no part of the grade; one and the same server may differ by a third from run to run)")
    outcomes = {check.name: check.outcome for check in ours.checks}
    for check in mine.checks:
        if check.outcome != outcomes.get(check.name):
            print(f"  {check.name:<34} {check.outcome:>8} {outcomes.get(check.name, '-'):>8}")
    path = options.kept / "report" / f"compare{step[:2]}.html"
    write_whole(path, page.render_comparison(mine, ours, rates))
    print(f"both side by side, with pictures: {home.shown(path)}")
    return 0
