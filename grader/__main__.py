"""`python -m grader 05 [--submission DIR] [--results FILE] [--html FILE] [-k NAME]`: grade a step."""

import argparse
import signal
import sys
from pathlib import Path

from grader import STEPS, patience_factor
from grader.report.files import why_not_writable


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="grader", description="Grade one step of a submission, or all.", allow_abbrev=False
    )
    parser.add_argument("step", help="01 to 08, or all")
    parser.add_argument("--submission", type=Path, default=Path("steps"), help="folder with NN_name/server.py")
    parser.add_argument("--results", type=Path, help="write the result there as Gradescope's JSON")
    parser.add_argument("--html", type=Path, help="write a page there: findings, rubric, and a picture of each check")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that runs the server")
    parser.add_argument("-k", metavar="NAME", help="only the checks whose name matches, as pytest's -k")
    return parser.parse_args(argv)


def main() -> int:
    options = arguments()
    if sys.platform != "linux":
        print("Eight Servers needs Linux: on Windows use WSL 2, elsewhere the dev container.", file=sys.stderr)
        return 2
    try:
        patience_factor()
    except ValueError:
        print("EIGHT_SERVERS_PATIENCE has to be a number above 0: 2 doubles every deadline.", file=sys.stderr)
        return 2
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup leaves it
            signal.signal(number, signal.default_int_handler)
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.stderr.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    if options.results and (why := why_not_writable(options.results)):
        print(f"--results: {why}", file=sys.stderr)
        return 2
    if options.html and (why := why_not_writable(options.html)):
        print(f"--html: {why}", file=sys.stderr)
        return 2
    if options.step == "all":
        return grade_all(options)
    return grade(options, options.step)[1]


def grade_all(options: argparse.Namespace) -> int:
    from grader.report import files, gradescope

    graded = [grade(options, step, write=False) for step in STEPS]
    results = [result for result, _ in graded]
    if options.results:
        files.write_whole(options.results, gradescope.together(results))
    total = sum(result.score for result in results)
    print(f"\nall steps: {total} of {100 * len(STEPS)} points")
    write_page(options, results)
    return max(status for _, status in graded)


def grade(options: argparse.Namespace, name: str, write: bool = True):  # type: ignore[no-untyped-def]
    from grader.finding import CannotGrade
    from grader.grading import Grading, step_named
    from grader.record import Result
    from grader.report import files, gradescope, text
    from grader.run import run

    result = Result(name, str(options.submission))
    try:
        result.step = step_named(name)
        grading = Grading(options.submission, result.step, options.python)
    except CannotGrade as error:
        result.error = str(error)
    else:
        try:
            print(f"{result.step}: {options.submission}", flush=True)
            run(grading, result, select=options.k)
        finally:
            # The end is not to be interrupted: it takes no time, and leaves nothing behind.
            before = {n: signal.signal(n, signal.SIG_IGN) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
            grading.close()
            for number, handler in before.items():
                signal.signal(number, handler)
    if options.results and write:
        files.write_whole(options.results, gradescope.results(result))
    if result.error:
        print(text.summary(result), file=sys.stderr)
    else:
        print(text.summary(result), flush=True)
    if write:
        write_page(options, [result])
    return result, result.status


def write_page(options: argparse.Namespace, results: list) -> None:  # type: ignore[type-arg]
    if options.html:
        from grader.report import files, page

        files.write_whole(options.html, page.render(results))
        path = options.html.absolute()
        here = path.is_relative_to(Path.cwd())
        print(f"picture: {path.relative_to(Path.cwd()) if here else path}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
