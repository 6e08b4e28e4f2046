"""What runs before this one have left: servers and folders whose grader was killed.

A lock that the kernel keeps as long as a grader lives (flock(2)) tells a folder that is in use from one that is left
behind; nobody else's is touched.
"""

import fcntl
import os
import signal
import stat
import time
from collections.abc import Callable
from pathlib import Path

from grader.kernel import Proc

PREFIX = "eight-servers-"  # of the name of a run's folder
TOKEN = "EIGHT_SERVERS_RUN"  # of the environment of every server: the name of its run's folder, a slash, and its own
LOCK = "lock"


def lock(folder: Path) -> int:
    """A descriptor of the folder's lock file, which has its name only once it is locked."""
    beside = folder / f"{LOCK}~"
    descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.rename(beside, folder / LOCK)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def sweep(folder: str, remove: Callable[[Path], object]) -> None:
    """End the servers, and remove the folders, of graders of this user that were killed; what cannot be is left."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.name.startswith(PREFIX)]
    for name in names:
        path = Path(folder, name)
        try:
            there = path.lstat()
            if not stat.S_ISDIR(there.st_mode) or there.st_uid != os.geteuid():
                continue
            descriptor = os.open(path / LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            end_all(f"{TOKEN}={name}/")
            remove(path)
        except OSError:  # its grader lives
            pass
        finally:
            os.close(descriptor)


def end_all(words: str, tries: int = 100) -> None:
    """Kill every process but ours in whose environment a variable begins like this: NAME=VALUE."""
    for _ in range(tries):
        left = [pid for pid in Proc().numbers() if pid != os.getpid() and has(pid, words)]
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
        if not left:
            return
        time.sleep(0.001)


def belongs(pid: int, run: str) -> bool:
    """Whether the environment of a process has a token that begins like this."""
    return has(pid, f"{TOKEN}={run}")


def has(pid: int, words: str) -> bool:
    return os.fsencode(f"\0{words}") in b"\0" + Proc().data(pid, "environ")
