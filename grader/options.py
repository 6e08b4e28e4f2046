"""Arguments of a command line, and what is said of those that are wrong."""

import argparse
import os
from typing import NoReturn

from grader.report import text


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as all of our commands do; `--help` has the rest."""

    def error(self, message: str) -> NoReturn:
        help_ = f"{self.prog} {'-- ' if self.prog.startswith('./toxw') else ''}--help"
        self.exit(2, f"{self.prog}: {text.in_a_line(message)}; `{help_}` says more\n")


def program(module: str = "grader") -> str:
    """What the user has typed to get here, https://tox.wiki: an environment of tox, or Python."""
    name = os.environ.get("TOX_ENV_NAME", "")
    return f"./toxw -e {name}" if name else f"python -m {module}"


def positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return int(text)


def seconds(text: str) -> float:
    return amount(text, "seconds", 1e7)


def worth(text: str) -> float:
    return amount(text, "points", 1e6)


def amount(text: str, of: str, most: float) -> float:
    """A number above 0 and below `most`. Raises ArgumentTypeError."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < most:  # what is no number is neither
        raise argparse.ArgumentTypeError(f"{text!r} is no number of {of}")
    return number
