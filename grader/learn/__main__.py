"""`python -m grader.learn COMMAND [STEP ...]`: what helps a learner along. `tox` has each command as an environment.

Whoever is told of a command is told of `./toxw -e COMMAND`, which is what he has typed.
"""

import argparse
import signal
import sys

from grader import start

if __name__ == "__main__":
    start.start_afresh("grader.learn")

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from grader import bad_patience
from grader.finding import CannotGrade
from grader.grading import step_named
from grader.learn import compare, hints, home, progress, watch
from grader.report.text import in_a_line


@dataclass(frozen=True)
class Command:
    """show: does it, and returns the exit status. what: a sentence. example: what stands after `./toxw -e NAME`."""

    show: Callable[[argparse.Namespace], int]
    what: str
    example: str = " -- 05"


COMMANDS = {
    "progress": Command(progress.show, "where you are in the eight steps", ""),
    "hint": Command(
        hints.show,
        "a hint for the next TODO, or for what failed first; 2 or 3 after the step: a plainer one",
    ),
    "watch": Command(watch.show, "grade a step again each time you save a file of it"),
    "compare": Command(
        compare.show,
        "your server and ours: the difference, both graded, both pictures, requests a second",
    ),
    "reset": Command(home.reset, "make server.py the skeleton again, if git holds what is in it"),
    "run": Command(
        home.run,
        "run your server and open its address, with --site on the grader's files; what else there is goes to server.py",
    ),
}


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, with a command that is right; `--help` has the rest."""

    example = "progress"

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{in_a_line(message)}; it goes like this: `./toxw -e {self.example}`\n")


def number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no number")
    return int(text)


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    found = Parser(prog="./toxw -e", allow_abbrev=False)
    commands = found.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        one: Parser = commands.add_parser(
            name, prog=f"./toxw -e {name} --", help=command.what, description=command.what, add_help=name != "run"
        )
        one.set_defaults(parser=one)
        one.example = f"{name}{command.example}"
        one.add_argument("--kept", type=Path, default=Path(".tox"), help=argparse.SUPPRESS)
        if name != "progress":
            one.add_argument("step", nargs="?", default="", help="01 to 08")
        if name == "hint":
            one.add_argument("number", nargs="?", type=number, default=1, help="1, 2 or 3")
            one.add_argument("--todo", type=number, metavar="N", help="of this TODO, whatever is written or fails")
        if name == "compare":
            one.add_argument("--anyway", action="store_true", help="show our solution, whatever yours has")
        if name == "run":
            one.add_argument("rest", nargs=argparse.REMAINDER, help="for server.py")
    options, unknown = found.parse_known_args(argv)
    if (
        options.command == "hint" and len(unknown) == 1 and unknown[0].isdecimal()
    ):  # behind --todo N argparse forgets it
        options.number = number(unknown.pop())
    if unknown:
        options.parser.error(f"{' '.join(unknown)} is more than it takes")
    return options


def obey(options: argparse.Namespace) -> int:
    """Do what was asked for. Raises CannotGrade with a line that says what to do."""
    command = COMMANDS[options.command]
    like = f"`./toxw -e {options.command}{command.example}`"
    if why := bad_patience():
        raise CannotGrade(why)
    if options.command != "progress":
        if not options.step:
            raise CannotGrade(f"which step? It goes like this: {like}")
        try:
            options.step = step_named(options.step)
        except CannotGrade as error:
            raise CannotGrade(f"{error}: {like}") from None
    return command.show(options)


def main() -> int:
    # As Ctrl-C: what a command has started ends with it.
    start.on_signals((signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT), signal.default_int_handler)
    start.end_with_parent()
    options = arguments()
    try:
        return obey(options)
    except CannotGrade as error:
        print(in_a_line(str(error)), file=sys.stderr)
        return 2
    except BrokenPipeError:  # who reads has left, as `head` does
        sys.stderr.close()
        return 1
    except OSError as error:
        path = home.shown(Path(str(error.filename))) if error.filename else options.command
        print(in_a_line(f"{path}: {error.strerror or error}; nothing was done"), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print()
        return 130


if __name__ == "__main__":
    sys.exit(main())
