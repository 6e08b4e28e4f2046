"""Grade a step again each time one of its files is saved; what failed last is tried first, the shortest of it at once.

A save ends the run that goes on and begins a new one. Ctrl-C ends everything: the grader ends its servers.
"""

import argparse
import signal
import subprocess
import sys

from watchfiles import DefaultFilter, watch

from grader.learn import home, progress

GIVE_UP = 15  # seconds for a grader to end its servers
FIRST = 100  # milliseconds without a save before the first run


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
    except (SyntaxError, ValueError) as error:
        return f"server.py line {getattr(error, 'lineno', None) or '?'}: {getattr(error, 'msg', error)}"
    return ""


def start(options: argparse.Namespace) -> subprocess.Popen[bytes] | None:
    print(f"\n--- {options.step}", flush=True)
    if why := complaint(options.step):
        print(f"{why}\nwaiting for the next save", flush=True)
        return None
    command = [sys.executable, "-m", "grader", options.step, "--submission", str(home.script(options.step).parents[1])]
    command += ["--kept", str(options.kept), "--first", ",".join(order(options))]
    return subprocess.Popen(command)


def end(grader: subprocess.Popen[bytes] | None) -> None:
    if grader is None or grader.poll() is not None:
        return
    grader.send_signal(signal.SIGINT)
    try:
        grader.wait(GIVE_UP)
    except subprocess.TimeoutExpired:
        grader.kill()
        grader.wait()


def show(options: argparse.Namespace) -> int:
    home.source(options.step)
    grader, begun = None, False
    saves = watch(
        home.script(options.step).parent,
        watch_filter=Changes(),
        raise_interrupt=True,
        yield_on_timeout=True,
        rust_timeout=FIRST,
    )
    try:
        for changes in saves:
            if changes or not begun:  # the first time without: it watches now, so that no save is missed
                end(grader)
                grader, begun = start(options), True
    except KeyboardInterrupt:
        pass
    finally:
        end(grader)
    return 0
