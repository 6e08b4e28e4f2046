"""What our programs begin with: how Python was started decides no grade, and who was started by tox ends with it."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterable
from types import FrameType

#: Variables that change what a program of ours does; how its streams are encoded is left to people.
SWITCHES = ("PYTHONOPTIMIZE", "PYTHONWARNINGS", "PYTHONDEVMODE", "PYTHONINSPECT", "PYTHONSAFEPATH")
PARENT = "EIGHT_SERVERS_PARENT"  # the process that ours is to end with: toxfile.py sets it
PR_SET_PDEATHSIG = 1

heard: list[int] = []  # signals that are to end a run: `interrupt`


def start_afresh(package: str) -> None:
    """Start `python -m package` again without Python's switches, if there are any; the process stays the same.

    -OO takes the docstrings that checks are told by, and `-W error` makes failures of what others' libraries warn of.
    """
    if sys.flags.optimize or sys.flags.inspect or sys.warnoptions:
        given = {name: value for name, value in os.environ.items() if name not in SWITCHES}
        os.execve(sys.executable, [sys.executable, "-m", package, *sys.argv[1:]], given)


def on_signals(numbers: Iterable[int], handler: Callable[[int, FrameType | None], object]) -> None:
    """Handle these signals but for those that are ignored, as nohup(1) leaves them."""
    for number in numbers:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


def interrupt(number: int, _frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt. Python drops what is raised in a destructor, so it is noted as well."""
    heard.append(number)
    raise KeyboardInterrupt


def end_with_parent(number: int = signal.SIGTERM) -> None:
    """Have the kernel send this signal when the process ends that PARENT names, if it has started us: prctl(2).

    A process killed by SIGKILL ends nobody by itself. What we start in our turn, with our environment, ends with us.
    """
    parent = os.environ.get(PARENT, "")
    if not parent.isdigit():
        return
    if os.getppid() == int(parent):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    try:
        os.kill(int(parent), 0)
    except ProcessLookupError:  # before we could ask for it
        os.kill(os.getpid(), number)
    except OSError:
        pass
    os.environ[PARENT] = str(os.getpid())
