"""Grade a step again each time one of its files is saved; what failed last is tried first, the shortest of it at once.

While a TODO is open, the one that was written last is tried. A save ends the run that goes on and begins a new one. At
a terminal, keys do what the other commands do. Ctrl-C ends everything: the grader ends its servers.
"""

import argparse
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from watchfiles import DefaultFilter, watch

from grader import STEPS
from grader.finding import CannotGrade
from grader.learn import hints, home, progress
from grader.learn.keyboard import keyboard
from grader.record import FULL
from grader.report.advice import number_of

GIVE_UP = 15  # seconds for a grader to end its servers
FIRST = 100  # milliseconds without a save before the first run, and between two looks at the keys
KEYS = "h a hint   r run again   l list   o open the page   q quit"


class Changes(DefaultFilter):
    """Any file of the step but what editors and Python leave beside it."""

    ignore_entity_patterns = (*DefaultFilter.ignore_entity_patterns, r".*\.tmp$", r"^\d+$")


def order(options: argparse.Namespace) -> list[str]:
    """What failed the last time, the shortest first."""
    result = progress.last(options.kept, options.step)
    wrong = [check for check in result["checks"] if check["outcome"] == "failed"] if result else []
    return [check["name"] for check in sorted(wrong, key=lambda check: check["seconds"])]


def complaint(step: str) -> str:
    """Why this file cannot be a program now, as while one types; "" if it can."""
    try:
        compile(home.source(step), "server.py", "exec", dont_inherit=True)
    except CannotGrade as error:
        return str(error)
    except (SyntaxError, ValueError) as error:
        return f"server.py line {getattr(error, 'lineno', None) or '?'}: {getattr(error, 'msg', error)}"
    return ""


def stage(step: str) -> int:
    """The TODO that was written last, while others are open; 0 if there is none, or none is open."""
    todo = home.open_todo(step)
    return number_of(todo) - 1 if todo else 0


def start(options: argparse.Namespace) -> subprocess.Popen[bytes] | None:
    print(f"\n--- {options.step}", flush=True)
    if why := complaint(options.step):
        print(f"{why}\nwaiting for the next save", flush=True)
        return None
    command = [sys.executable, "-m", "grader", options.step, "--submission", str(home.script(options.step).parents[1])]
    command += ["--kept", str(options.kept)]
    if written := stage(options.step):
        command += ["--todo", str(written)]
    else:
        command += ["--first", ",".join(order(options))]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL)


def end(grader: subprocess.Popen[bytes] | None) -> None:
    """Interrupt a grader until it ends: Python may drop what a handler raises, in a destructor for example."""
    if grader is None:
        return
    for _ in range(GIVE_UP):
        if grader.poll() is not None:
            return
        grader.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            grader.wait(1)
    grader.kill()
    grader.wait()


class Watch:
    """One step, watched until its reader leaves it."""

    def __init__(self, kept: Path, step: str, typed: Callable[[], str] | None):
        self.options = argparse.Namespace(kept=kept, step=step, todo=None, number=0)
        self.typed = typed
        self.grader: subprocess.Popen[bytes] | None = None
        self.told = False  # which keys there are

    def follow(self) -> str:
        """Grade and watch; return the step to go on with, "" if that is none."""
        saves = watch(
            home.script(self.options.step).parent,
            watch_filter=Changes(),
            raise_interrupt=True,
            yield_on_timeout=True,
            rust_timeout=FIRST,
        )
        begun = False
        try:
            for changes in saves:
                if changes or not begun:  # the first time without: it watches now, so that no save is missed
                    self.begin()
                    begun = True
                elif self.typed and (after := self.at_keys(self.typed())) is not None:
                    return after
        except KeyboardInterrupt:
            pass
        finally:
            end(self.grader)
        return ""

    def begin(self) -> None:
        end(self.grader)
        self.grader, self.told, self.options.number = start(self.options), False, 0

    def at_keys(self, keys: str) -> str | None:
        """Do what was typed; return what `follow` is to return, None to go on. In mid-run only q and r do anything."""
        waiting = self.grader is None or self.grader.poll() is not None
        if waiting and not self.told:
            self.told = True
            print(f"\n{self.offer()}", flush=True)
        for key in keys:
            if key == "q":
                return ""
            if key == "r":
                self.begin()
                return None
            if waiting and key == "n" and self.is_done() and self.following():
                return self.following()
            if waiting:
                self.tell(key)
        return None

    def tell(self, key: str) -> None:
        """A key that changes nothing."""
        print()
        if key == "h":
            self.hint()
        elif key == "l":
            progress.show(self.options)
        elif key == "o":
            home.open_page(self.options.kept, self.options.step)
        elif key == "n":
            step = self.following()
            leaves = f"; q, then `./toxw -e watch -- {step[:2]}`, leaves it" if step else ""
            print(f"{self.options.step} is not done yet{leaves}" if not self.is_done() else "that was the last step")
        else:
            print(self.offer())
        sys.stdout.flush()

    def hint(self) -> None:
        """The next one, for the TODO that was tried and is not right yet; after the last, the first again."""
        wrong = self.grader is not None and self.grader.returncode == 1
        self.options.todo = (stage(self.options.step) or None) if wrong else None
        self.options.number += 1
        try:
            hints.show(self.options)
        except CannotGrade:
            self.options.number = 1
            hints.show(self.options)

    def offer(self) -> str:
        step = self.following()
        if not self.is_done():
            return KEYS
        return f"n on to step {step}   {KEYS}" if step else KEYS

    def is_done(self) -> bool:
        result = progress.last(self.options.kept, self.options.step)
        return bool(result and result["score"] == FULL and not progress.changed(result, self.options.step))

    def following(self) -> str:
        return next((step for step in STEPS if step > self.options.step), "")


def show(options: argparse.Namespace) -> int:
    step = options.step
    with keyboard() as typed:
        while step:
            home.source(step)
            step = Watch(options.kept, step, typed).follow()
    return 0
