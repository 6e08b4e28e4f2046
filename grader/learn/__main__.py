"""`python -m grader.learn COMMAND [STEP ...]`: what helps a learner along. `tox` has each command as an environment."""

import argparse
import signal
import sys

from grader import start

if __name__ == "__main__":
    start.start_afresh("grader.learn")

from pathlib import Path
from typing import NoReturn

from grader import bad_patience
from grader.finding import CannotGrade
from grader.grading import step_named
from grader.learn import compare, hints, home, progress, watch

COMMANDS = {
    "progress": (progress.show, "where you are in the eight steps"),
    "hint": (
        hints.show,
        "a hint for the next TODO, or for what failed first; 2 or 3 after the step: a later one",
    ),
    "watch": (watch.show, "grade a step again each time you save a file of it"),
    "compare": (
        compare.show,
        "your server and ours: the difference, both graded, both pictures, requests a second",
    ),
    "reset": (home.reset, "make server.py the skeleton again, if git holds what is in it"),
    "run": (home.run, "run your server and open its address; what stands after the step goes to server.py"),
}


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as all of our commands do; `--help` has the rest."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; `{self.prog} --help` says more\n")


def main() -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):  # as Ctrl-C: what a command has started ends with it
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup leaves it
            signal.signal(number, signal.default_int_handler)
    start.end_with_parent()
    parser = Parser(prog="python -m grader.learn", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (_, what) in COMMANDS.items():
        command = commands.add_parser(name, help=what, description=what, add_help=name != "run")
        command.add_argument("--kept", type=Path, default=Path(".tox"), help=argparse.SUPPRESS)
        if name != "progress":
            command.add_argument("step", help="01 to 08")
        if name == "hint":
            command.add_argument("number", nargs="?", type=int, default=1, help="1, 2 or 3")
        if name == "run":
            command.add_argument("rest", nargs=argparse.REMAINDER, help="for server.py")
    options = parser.parse_args()
    try:
        if why := bad_patience():
            raise CannotGrade(why)
        if options.command != "progress":
            options.step = step_named(options.step)
        return COMMANDS[options.command][0](options)
    except CannotGrade as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print()
        return 130


if __name__ == "__main__":
    sys.exit(main())
