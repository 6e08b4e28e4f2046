"""`python -m grader 05 [--submission DIR] [--results FILE] [--html FILE] [-k NAME]`: grade a step."""

import signal
import sys

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # until there is something to be ended with care
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))

import argparse
import importlib
import os
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from grader import STEPS, bad_patience
from grader.budget import SECONDS, Budget
from grader.grading import EXAMPLES, REPOSITORY, SEED
from grader.record import Check, Result
from grader.report import board, classroom, files, github, gradescope, records, text
from grader.run import now, opened, run, undisturbed

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
    parser = argparse.ArgumentParser(
        prog="grader", description="Grade one step of a submission, or all.", allow_abbrev=False
    )
    parser.add_argument("step", help="01 to 08, several with commas, or all")
    parser.add_argument("--submission", type=Path, default=Path("steps"), help="folder with NN_name/server.py")
    for name, (_, what) in FORMATS.items():
        parser.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"write {what}")
    parser.add_argument("--points", type=worth, metavar="N", help="what --results says all points are worth together")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that runs the server")
    parser.add_argument("--first", default="", metavar="NAMES", help="begin with these checks: names with commas")
    parser.add_argument("--stop", action="store_true", help="end the run once a line is lost")
    parser.add_argument("--progress", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)  # for grader.learn
    parser.add_argument("--seed", type=int, default=SEED, metavar="N", help="of the requests that are made up")
    parser.add_argument("--examples", type=positive, default=EXAMPLES, metavar="N", help="how many of each kind")
    parser.add_argument(
        "--budget",
        type=seconds,
        default=SECONDS,
        metavar="SECONDS",
        help="for a step; the rest is not judged",
    )
    parser.add_argument("-k", metavar="NAME", help="only the checks whose name matches, as pytest's -k")
    return parser.parse_args(argv)


def positive(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of examples")
    return int(text)


def seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e7:  # neither is no number
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return number


def worth(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e6:  # neither is no number
        raise argparse.ArgumentTypeError(f"{text!r} is no number of points")
    return number


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
    options = arguments()
    if why := why_not(options):
        print(text.in_a_line(why), file=sys.stderr)
        return 2
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup leaves it
            signal.signal(number, signal.default_int_handler)
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.stderr.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    steps = STEPS if options.step == "all" else tuple(dict.fromkeys(options.step.split(",")))
    results = [Result(step, str(options.submission)) for step in steps]
    with github.silenced() if github.on() else nullcontext():
        grade_all(options, results)
        if len(steps) > 1:
            say(f"\nall steps: {sum(r.score for r in results)} of {100 * len(steps)} points")
        with undisturbed():
            keep_progress(options, results)  # first: who sees the last line of a run may save, which ends it
            written = write_reports(options, results)
    if github.on():
        with undisturbed():
            say("\n".join(github.annotations(results)))
            written = write("the summary of the job", github.write_summary, results) and written
    return max(result.status for result in results) if written else 2


def grade_all(options: argparse.Namespace, results: list[Result]) -> None:
    """Grade one step after the other until a signal ends that; what was not graded then says so."""
    try:
        for result in results:
            keep_so_far(options, results)
            grade(options, result, lambda: keep_so_far(options, results))
            if result.interrupted:
                break
    except KeyboardInterrupt:  # where pytest does not take it for an end of the run
        pass
    missing = [result for result in results if not result.checks and not result.error]
    for result in missing:
        result.when, result.error = result.when or now(), "the run was interrupted before this step"
    if missing:
        print(f"interrupted: {len(missing)} steps were not graded", file=sys.stderr)


def write_reports(options: argparse.Namespace, results: list[Result]) -> bool:
    """Write every report that was asked for. What cannot be written is said, and keeps no other from it."""
    written = True
    for name, (module, _) in FORMATS.items():
        path = getattr(options, name)
        if path is None:
            continue
        render = importlib.import_module(f"grader.report.{module}").render
        given = {"points": options.points} if name == "results" else {}
        if not write(f"--{name}: {path}", files.write_whole, path, render(results, **given)):
            written = False
        elif name == "html":
            whole = path.absolute()
            shown = whole.relative_to(Path.cwd()) if whole.is_relative_to(Path.cwd()) else whole
            say(text.in_a_line(f"picture: {shown}"))
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


def write(what: str, action: Callable[..., None], *arguments: object) -> bool:
    """Whether a report could be written; if not, why is said."""
    try:
        action(*arguments)
    except OSError as error:
        print(text.in_a_line(f"{what} could not be written: {error.strerror}"), file=sys.stderr)
        return False
    return True


def say(words: str) -> None:
    """Print a line. A reader who has left, as `head` does, keeps no report from being written."""
    try:
        print(words, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def keep_progress(options: argparse.Namespace, results: list[Result]) -> None:
    """Keep the result of a whole run of the learner's own files for `progress`, `hint` and `watch`."""
    whole = not options.k and not options.stop
    if options.progress and whole and options.submission.resolve() == (REPOSITORY / "steps").resolve():
        for result in results:
            if not result.error:
                files.write_whole(options.progress / f"{result.step[:2]}.json", records.render([result]))


def grade(options: argparse.Namespace, result: Result, keep: Callable[[], None]) -> None:
    """Grade one step and say on the terminal what came of it; `keep` is called after each check."""
    colours = board.wanted()
    with opened(result, options.submission, options.python) as grading:
        if grading:
            grading.seed, grading.examples = options.seed, options.examples
            grading.budget = Budget(options.budget)
            say(text.in_a_line(f"{result.step}: {options.submission}"))

            def show(check: Check) -> None:
                if colours:
                    board.line(check)
                else:
                    say(text.line(check))
                keep()

            run(grading, result, select=options.k, show=show, first=options.first.split(","), stop=options.stop)
    if colours and not result.error:
        board.summary(result)
    elif result.error:
        print(text.summary(result), file=sys.stderr, flush=True)
    else:
        say(text.summary(result))


if __name__ == "__main__":
    sys.exit(main())
