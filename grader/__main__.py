"""`python -m grader 05 [--submission DIR] [--results FILE] [--html FILE] [-k NAME]`: grade a step."""

import os
import signal
import sys

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # until there is something to be ended with care
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))

from grader import start, streams

if __name__ == "__main__":
    start.start_afresh("grader")

import argparse
import importlib
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from grader import STEPS, bad_patience
from grader.budget import SECONDS, Budget
from grader.finding import CannotGrade
from grader.grading import EXAMPLES, SEED
from grader.learn.stage import Stage
from grader.options import Parser, positive, program, seconds, worth
from grader.record import Check, Result
from grader.report import advice, board, classroom, files, github, gradescope, records, text
from grader.run import ENDING, now, opened, run, undisturbed
from grader.walls import Walls, choice
from grader.words import plural

#: Option -> the module in grader/report whose `render` writes it, and what it is.
FORMATS = {
    "results": ("gradescope", "the result as JSON, as Gradescope reads it"),
    "html": ("page", "the result as a page with pictures of what happened"),
    "json": ("records", "all that is known, as JSON of our own (grader/report/result.schema.json)"),
    "junit": ("junit", "the result as JUnit XML"),
    "exercism": ("exercism", "the result as an Exercism test runner writes it, version 3"),
    "classroom": ("classroom", "the result as Classroom 50 reads it"),
}


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = Parser(prog=program(), description="Grade one step of a submission, or all.", allow_abbrev=False)
    parser.add_argument("step", help="01 to 08, several with commas, or all")
    parser.add_argument(
        "--submission", type=Path, default=Path("steps"), help="folder or archive with NN_name/server.py"
    )
    for name, (_, what) in FORMATS.items():
        parser.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"write {what}")
    parser.add_argument("--points", type=worth, metavar="N", help="what --results says all points are worth together")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that runs the server")
    parser.add_argument("--first", default="", metavar="NAMES", help="begin with these checks: names with commas")
    parser.add_argument("--stop", action="store_true", help="end the run once a line is lost")
    parser.add_argument("--no-follow", action="store_true", help=argparse.SUPPRESS)  # a link that --submission names
    parser.add_argument("--kept", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)  # results and pages for learners
    parser.add_argument("--seed", type=int, default=SEED, metavar="N", help="of the requests that are made up")
    parser.add_argument("--examples", type=positive, default=EXAMPLES, metavar="N", help="how many of each kind")
    parser.add_argument(
        "--budget",
        type=seconds,
        default=SECONDS,
        metavar="SECONDS",
        help="for a step; the rest is not judged",
    )
    parser.add_argument("--within", type=seconds, default=math.inf, metavar="SECONDS", help="for all steps together")
    parser.set_defaults(began=time.monotonic())
    parser.add_argument(
        "--walls", choices=choice.NAMES, default="none", help="what is around the server: GRADING.md, Walls"
    )
    parser.add_argument("-k", metavar="NAME", help="only the checks whose name matches, as pytest's -k")
    parser.add_argument("--todo", type=positive, metavar="N", help="only what TODO N does; ours does those still open")
    options = parser.parse_args(argv)
    if options.todo and (options.k or options.step == "all" or "," in options.step):
        parser.error("--todo tries one TODO of one step, without -k")
    return options


def why_not(options: argparse.Namespace) -> str:
    """What keeps us from grading, in a line that says what to do; "" if nothing does."""
    if sys.platform != "linux":
        return "Eight Servers needs Linux: on Windows use WSL 2, elsewhere the dev container."
    if why := bad_patience():
        return why
    paths: dict[Path, str] = {}
    for name in FORMATS:
        path = getattr(options, name)
        if path is None:
            continue
        if why := files.why_not_writable(path) or (classroom.missing() if name == "classroom" else ""):
            return f"--{name}: {why}"
        if other := paths.get(files.place(path)):
            return f"--{name} and --{other} name the same file; give each its own"
        paths[files.place(path)] = name
    return ""


def main() -> int:
    streams.mend()
    options = arguments()
    if why := why_not(options):
        print(text.in_a_line(why), file=sys.stderr)
        return 2
    start.end_with_parent()
    try:
        with choice.chosen(options.walls, options.python, sys.argv[1:], writable(options)) as walls:
            return walls if isinstance(walls, int) else inside(options, walls)
    except CannotGrade as error:
        print(text.in_a_line(str(error)), file=sys.stderr)
        return 2


def writable(options: argparse.Namespace) -> list[Path]:
    """The folders that reports are written into."""
    files = [path for name in FORMATS if (path := getattr(options, name))]
    files += [Path(path) for name in ("GITHUB_STEP_SUMMARY",) if (path := os.environ.get(name))]
    folders = [options.kept.absolute()] if options.kept else []
    return [*(path.absolute().parent for path in files), *folders]


def inside(options: argparse.Namespace, walls: Walls) -> int:
    """Grade, in these walls or in what they are around."""
    start.on_signals(ENDING, start.interrupt)
    steps = STEPS if options.step == "all" else tuple(dict.fromkeys(options.step.split(",")))
    results = [Result(step, str(options.submission)) for step in steps]
    with github.silenced() if github.on() else nullcontext():
        grade_all(options, results, walls)
        leave_out_empty(results)
        if len(results) > 1 and not results[0].empty:
            say(f"\nall steps: {sum(r.score for r in results)} of {100 * len(results)} points")
        with undisturbed():
            keep(options, results)  # first: who sees the last line of a run may save, which ends it
            written = write_reports(options, results)
            (board if board.wanted() else advice).closing(results, say)
    if github.on():
        with undisturbed():
            say("\n".join(github.annotations(results)))
            written = write("the summary of the job", github.write_summary, results) and written
    if why := streams.lost():
        print(
            f"standard output could not be written: {why}; the exit status and the reports are right", file=sys.stderr
        )
    return max(result.status for result in results) if written else 2


def grade_all(options: argparse.Namespace, results: list[Result], walls: Walls) -> None:
    """Grade one step after the other until a signal ends that; what was not graded then says so."""
    try:
        for number, result in enumerate(results):
            keep_so_far(options, results)
            budget = share(options, len(results) - number)
            grade(options, result, walls, budget, lambda: keep_so_far(options, results))
            if result.interrupted:
                break
    except KeyboardInterrupt:  # where pytest does not take it for an end of the run
        pass
    missing = [result for result in results if not result.checks and not result.error]
    for result in missing:
        result.when, result.error = result.when or now(), "the run was interrupted before this step"
        result.interrupted = True
    if missing:
        print(
            f"interrupted: {plural(len(missing), 'step')} {'was' if len(missing) == 1 else 'were'} not graded",
            file=sys.stderr,
        )


def share(options: argparse.Namespace, steps: int) -> float:
    """Seconds for the next of so many steps: its own, and no more than its share of what all have left."""
    left = max(options.began + options.within - time.monotonic(), 0.0)
    return float(min(options.budget, left if math.isinf(left) else left // steps))


def leave_out_empty(results: list[Result]) -> None:
    """A part that only some of the steps have: the others are not what was asked for. If none has it, say so once."""
    some = [result for result in results if not result.empty]
    if results and not some:
        print(text.summary(results[0]), file=sys.stderr, flush=True)
    results[:] = some or results


def write_reports(options: argparse.Namespace, results: list[Result]) -> bool:
    """Write every report that was asked for. What cannot be written is said, and keeps no other from it."""
    written = True
    for name in FORMATS:
        path = getattr(options, name)
        if path is None:
            continue
        given = {"points": options.points} if name == "results" else {}
        if not write(f"--{name}: {path}", files.write_whole, path, renderer(name)(results, **given)):
            written = False
        elif name == "html":
            say(text.in_a_line(f"picture: {shown(path)}"))
    return written


def keep_so_far(options: argparse.Namespace, results: list[Result]) -> None:
    """Write --results as it stands, so that whoever kills the run has what was judged till then.

    If that cannot be done the run goes on: its end says so.
    """
    if options.results:
        try:
            files.write_whole(options.results, gradescope.render(results, options.points))
        except OSError:
            pass


def renderer(name: str) -> Callable[..., str]:
    render: Callable[..., str] = importlib.import_module(f"grader.report.{FORMATS[name][0]}").render
    return render


def write(what: str, action: Callable[..., None], *arguments: object) -> bool:
    """Whether a report could be written; if not, why is said."""
    try:
        action(*arguments)
    except OSError as error:
        print(text.in_a_line(f"{what} could not be written: {error.strerror}"), file=sys.stderr)
        return False
    return True


def say(words: str) -> None:
    """Print a line at once."""
    print(words, flush=True)


def shown(path: Path) -> Path:
    whole = path.absolute()
    return whole.relative_to(Path.cwd()) if whole.is_relative_to(Path.cwd()) else whole


def keep(options: argparse.Namespace, results: list[Result]) -> None:
    """Keep the page of a run; and of a whole one of the learner's own files the result, for `progress` and others."""
    graded = [result for result in results if not result.error and not result.interrupted]
    if not options.kept or not graded:
        return
    whole = not graded[0].part and not options.stop
    for result in graded if whole and advice.is_own(graded[0]) else []:
        path = options.kept / "results" / f"{result.step[:2]}.json"
        write(str(shown(path)), files.write_whole, path, records.render([result]))
    if not options.html:
        name = f"step{graded[0].step[:2]}" if len(graded) == 1 else "steps"
        path = options.kept / "report" / f"{name}{'' if whole else '-part'}.html"
        if write(str(shown(path)), files.write_whole, path, renderer("html")(graded)):
            say(text.in_a_line(f"picture: {shown(path)}"))


def grade(options: argparse.Namespace, result: Result, walls: Walls, seconds: float, keep: Callable[[], None]) -> None:
    """Grade one step within so many seconds and say on the terminal what came of it; `keep`: after each check."""
    colours = board.wanted()

    def show(check: Check) -> None:
        if colours:
            board.line(check)
        else:
            say(text.line(check))
        keep()

    lone = "," not in options.step and options.step != "all"
    with opened(result, options.submission, options.python, walls, lone=lone, follow=not options.no_follow) as grading:
        if grading:
            grading.seed, grading.examples = options.seed, options.examples
            grading.budget = Budget(seconds)
            try:
                stage = Stage(grading, result, options.todo) if options.todo else None
            except CannotGrade as error:
                result.error = str(error)
            else:
                say(text.in_a_line(f"{result.step}: {options.submission}"))
                select, first = stage.select if stage else options.k, options.first.split(",")
                run(grading, result, select=select, show=show, first=first, stop=options.stop, brief=bool(stage))
                if stage:
                    stage.tell(result)
    if result.error:
        if not result.empty:
            print(text.summary(result), file=sys.stderr, flush=True)
    elif colours:
        board.summary(result)
    else:
        say(text.summary(result))


if __name__ == "__main__":
    sys.exit(main())
