"""One grader at a time, where there is only one of a thing on the machine.

The turn is a lock, flock(2), on a file in a folder that nobody else can enter; nobody but our own user can hold it, it
ends with the process that has it, and nothing is left of it.
"""

import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from grader import waiting


@contextmanager
def turn(name: str, seconds: float) -> Iterator[bool]:
    """Whether it is our turn, for which we wait so long. Where no such folder can be had, it always is."""
    folder = f"/tmp/.eight-servers-{os.geteuid()}"
    with suppress(OSError):
        os.mkdir(folder, 0o700)
    if not is_ours(folder):
        yield True
        return
    path, file, give_up = f"{folder}/{name}", -1, time.monotonic() + seconds

    def had() -> bool:
        nonlocal file
        file = locked(path)
        return file >= 0 or time.monotonic() > give_up

    waiting.wait_for(had)
    try:
        yield file >= 0
    finally:
        if file >= 0:
            with suppress(OSError):
                os.unlink(path)  # while it is ours: who waits sees that it is another file now
            os.close(file)
        with suppress(OSError):  # others are there
            os.rmdir(folder)


def is_ours(folder: str) -> bool:
    try:
        found = os.lstat(folder)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077


def locked(path: str) -> int:
    """A descriptor of the locked file, -1 if somebody else has it, or has just left it."""
    with suppress(OSError):
        os.mkdir(os.path.dirname(path), 0o700)  # again, if the last one has removed it
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:
        return -1
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(file), os.stat(path)):
            return file
    except OSError:
        pass
    os.close(file)
    return -1
