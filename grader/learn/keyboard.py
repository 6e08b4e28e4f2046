"""Single keys from the terminal, without Enter. Whatever happens meanwhile, the terminal is afterwards as it was."""

import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


def has_terminal() -> bool:
    """Whether there is somebody who reads and can type: both streams are terminals, and ours is the foreground job."""
    try:
        here = sys.stdin.isatty() and sys.stdout.isatty()
        return here and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError, AttributeError):  # closed, or none at all
        return False


@contextmanager
def keyboard() -> Iterator[Callable[[], str] | None]:
    """A function that returns the keys typed since it was called last, "" if none; None where there is no terminal.

    cbreak, termios(3): no line is waited for and nothing echoed, but Ctrl-C and Ctrl-Z are signals as ever.
    """
    if not has_terminal():
        yield None
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def begin(*_: object) -> None:  # and again after Ctrl-Z and fg: a shell sets the terminal as it likes it
        with suppress(termios.error):
            tty.setcbreak(descriptor, termios.TCSANOW)

    def typed() -> str:
        keys = b""
        with suppress(OSError):  # it has gone
            while select.select([descriptor], [], [], 0)[0] and (more := os.read(descriptor, 64)):
                keys += more
        return keys.decode("ascii", "ignore")

    kept = {
        signal.SIGCONT: signal.signal(signal.SIGCONT, begin),
        signal.SIGTTOU: signal.signal(signal.SIGTTOU, signal.SIG_IGN),  # after `bg` we may still set the terminal
    }
    try:
        begin()
        yield typed
    finally:
        with suppress(termios.error):
            termios.tcsetattr(descriptor, termios.TCSANOW, before)
        for number, handler in kept.items():
            signal.signal(number, handler)
