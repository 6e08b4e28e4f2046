"""`python -m bench [STEPS] [--submission DIR] [--sizes 1k,100k,5m] [--json FILE]`: what a request costs."""

import signal
import sys

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # until there is something to be ended
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))

import argparse
import os
import shutil
import time
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from bench import CannotMeasure, load, plan, records, servers, table
from bench.measure import SIGNALS, Measurer, held, pair
from bench.progress import Watch, span
from bench.result import Cell, Result
from grader import STEPS, bad_patience
from grader.finding import CannotGrade
from grader.grading import step_named
from grader.report import files
from grader.report.text import in_a_line
from grader.words import plural

MOST_AGAIN = 0.2  # of the planned runs may be done again: a noisy machine would double the time


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as all of our commands do; `--help` has the rest."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, in_a_line(f"{self.prog}: {message}; --help says more") + "\n")


def whole(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = Parser(prog="bench", description=__doc__.partition(": ")[2], allow_abbrev=False)
    parser.add_argument("steps", nargs="*", metavar="STEPS", help="05, or 02,05,08; all if none is named")
    parser.add_argument("--submission", type=Path, metavar="DIR", help="DIR/NN_name/server.py beside the references")
    parser.add_argument("--sizes", default="1k", help="of the files asked for: 1k,100k,5m (1k)")
    parser.add_argument(
        "--mode", choices=("own", "short", "long"), default="own", help="of the connections (own: the step's)"
    )
    parser.add_argument("--peers", default="all", help="all, none, or nginx,granian (all)")
    parser.add_argument("--rounds", type=whole, default=3, help="how often each server is measured (3)")
    parser.add_argument("--seconds", type=whole, default=1, help="how long each time (1)")
    parser.add_argument("--clients", type=whole, default=32, help="connections at once (32)")
    parser.add_argument("--python", default=sys.executable, metavar="PROGRAM", help="the interpreter of the servers")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all of it as JSON (bench/result.schema.json)")
    return parser.parse_args(argv)


def steps_named(words: list[str], submission: Path | None) -> list[str]:
    """The steps in the order of the kata; if none is named, those of the submission, or all. Raises CannotGrade."""
    named = {step_named(name) for word in words for name in word.split(",") if name and name != "all"}
    if submission and not named and submission.is_dir():
        named = {step for step in STEPS if (submission / step / "server.py").exists()}
    return [step for step in STEPS if step in named] or list(STEPS)


def prepared(options: argparse.Namespace) -> Result:
    """What will be measured. Raises CannotMeasure or CannotGrade with what to do."""
    if why := bad_patience() or (options.json and files.why_not_writable(options.json)):
        raise CannotMeasure(why)
    python = os.path.abspath(shutil.which(options.python) or options.python)  # a server works in a folder of its own
    sizes = sorted({plan.size_named(text) for text in options.sizes.split(",")})
    steps = servers.of_steps(steps_named(options.steps, options.submission), options.submission)
    peers = servers.peers_named(options.peers)
    versions = {"wrk": load.version()} | servers.versions(python)
    left_out = [why for peer in peers if (why := servers.missing(peer, versions, python))]
    peers = [peer for peer in peers if not servers.missing(peer, versions, python)]
    groups, silent = plan.groups([*peers, *steps], sizes, options.mode)
    return Result(
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        groups,
        left_out + silent,
        options.rounds,
        options.seconds,
        options.clients,
        pair(),
        python,
        str(options.submission or ""),
        versions,
    )


def announce(result: Result, console: Console) -> None:
    """What is to come, before it begins."""
    for line in result.left_out:
        console.print(in_a_line(line), soft_wrap=True)
    server, wrk = result.processors
    where = "on one processor each" if server != wrk else "on the one processor that there is: read with care"
    needed = plan.seconds_needed(len(result.cells), result.rounds, result.seconds)
    console.print(
        f"{plural(len(result.cells), 'cell')} x {plural(result.rounds, 'round')} x {result.seconds} s, "
        f"{plural(result.clients, 'client')}: "
        f"about {span(needed)}.\nServer and wrk {where}."
    )


def measure(result: Result) -> None:
    """Every cell once a round. A signal ends it; what was measured until then stays."""
    measurer = watch = None
    try:
        with held():
            measurer = Measurer(result.python, result.clients, result.seconds, result.processors)
        runs = len(result.cells) * result.rounds
        watch = Watch(runs, result.seconds + plan.STARTING)
        again = int(runs * MOST_AGAIN)
        for number in range(1, result.rounds + 1):
            for cell in result.cells:
                if not cell.error:
                    watch.begins(number, f"{cell.server.name}, {plan.size_words(cell.size)} {cell.mode}")
                    again -= measure_cell(measurer, cell, number, again > 0)
                    watch.ended(1 if not cell.error else result.rounds - number + 1)
    except KeyboardInterrupt:
        result.interrupted = True
    finally:
        with held():
            if watch:
                watch.close()
            if measurer:
                measurer.close()


def measure_cell(measurer: Measurer, cell: Cell, number: int, may_again: bool) -> bool:
    """One cell of a round; whether it was measured again, because others disturbed it."""
    try:
        run = measurer.measure(cell, number)
        if again := run.disturbed and may_again:
            other = measurer.measure(cell, number, again=True)
            run = min(run, other, key=lambda run: run.foreign or 0.0)
        cell.runs.append(run)
        return again
    except CannotMeasure as error:
        cell.error = str(error)
        return False


def stop(*_: object) -> None:
    """The first signal ends the run; none after it disturbs the end."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> int:
    options = arguments()
    console = Console(highlight=False, markup=False, emoji=False)
    try:
        result = prepared(options)
        announce(result, console)
    except (CannotMeasure, CannotGrade) as error:
        print(in_a_line(str(error)), file=sys.stderr)
        return 2
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup leaves it
            signal.signal(number, stop)
    try:
        measure(result)
    finally:  # also when nobody reads any more what is printed
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # what there is will be written and shown
        if options.json:
            try:
                files.write_whole(options.json, records.render(result))
            except OSError as error:
                raise SystemExit(in_a_line(f"--json: {options.json} could not be written: {error.strerror}")) from None
    table.show(result, console)
    if options.json:
        console.print(in_a_line(f"written: {options.json}"), soft_wrap=True)
    if result.interrupted:
        return 130
    missed = any(cell.error for cell in result.cells if cell.server.kind == servers.SUBMISSION)
    return 1 if missed or not any(cell.runs for cell in result.cells) else 0


if __name__ == "__main__":
    try:
        status = main()
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of a pipe has left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    sys.exit(status)
