"""Another user for each grader that runs: numbers that nobody has an account for, each lent to one at a time."""

import fcntl
import os
import pwd
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grader.finding import CannotGrade

FIRST, COUNT = 62_000, 1000  # within what systemd keeps for users that come and go, and a user namespace maps
LOCKS = Path("/run/eight-servers.lock")  # in a folder that only root may write into; byte N is lent with number N


@contextmanager
def lent() -> Iterator[int]:
    """A user's number that no other grader of this machine has meanwhile. For root only. Raises CannotGrade."""
    try:
        file = os.open(LOCKS, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CannotGrade(f"{LOCKS} cannot be opened: {error.strerror}") from None
    try:
        taken = {os.stat(entry.path).st_uid for entry in listed("/proc")}
        for number in range(COUNT):
            if FIRST + number not in taken and nobody(FIRST + number) and lock(file, number):
                yield FIRST + number
                return
        raise CannotGrade(f"all users from {FIRST} to {FIRST + COUNT - 1} are taken")
    finally:
        os.close(file)


def lock(file: int, number: int) -> bool:
    """Lock one byte for as long as this descriptor is open: fcntl(2), F_OFD_SETLK, struct flock."""
    try:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, number, 1, 0))
    except OSError:
        return False
    return True


def nobody(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return True
    return False


def listed(folder: str) -> Iterator["os.DirEntry[str]"]:
    """What is in a folder and still there."""
    try:
        with os.scandir(folder) as entries:
            yield from (entry for entry in entries if os.path.lexists(entry.path))
    except OSError:
        return


def owned(uid: int, folders: tuple[str, ...], most: int) -> Iterator[os.DirEntry[str]]:
    """What this user has in these folders, and all that is in its own folders; `most` of it."""
    left = list(folders)
    while left and most:
        folder = left.pop()
        for entry in listed(folder):
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if status.st_uid == uid:
                most -= 1
                yield entry
                if stat.S_ISDIR(status.st_mode):
                    left.append(entry.path)
                if not most:
                    return


def give(path: Path, uid: int) -> None:
    """All of it to this user; no link is followed."""
    os.chown(path, uid, uid, follow_symlinks=False)
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            os.chown(os.path.join(folder, name), uid, uid, follow_symlinks=False)


def as_user(uid: int, setpriv: str) -> list[str]:
    """What stands before a command that is run as this user, and can never be more: setpriv(1)."""
    drop = ["--clear-groups", "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]
    return [setpriv, f"--reuid={uid}", f"--regid={uid}", *drop]
