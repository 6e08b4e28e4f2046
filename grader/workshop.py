"""The run's one temporary folder: made, looked after, and removed, whatever a server has done to it."""

import array
import ctypes
import fcntl
import os
import re
import stat
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from grader.kernel import LIBC, Proc

DEEP = 1000  # characters of a path: some hundred folders at most
GIVE_UP = 120.0  # seconds, after which what is left is left, and said
FS_IOC_SETFLAGS = 0x40086602  # include/uapi/linux/fs.h, where long has eight bytes: chattr(1)
MNT_DETACH, UMOUNT_NOFOLLOW = 2, 8


class Workshop:
    """Copies of the submission, document roots, working folders.

    The servers run as we do, and may remove, rename and lock what is in here: so its names cannot be guessed, a
    descriptor tells it from whatever else has its name, and its end asks for nothing of what was.
    """

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="eight-servers-")).resolve()
        self.count = 0
        self.file = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.lasting: dict[Path, tuple[int, int]] = {}  # folders that nobody else is to touch -> device and inode
        self.keep(self.path)

    def folder(self, name: str) -> Path:
        self.count += 1
        return Path(tempfile.mkdtemp(prefix=f"{name}-{self.count}-", dir=self.path))

    def keep(self, path: Path) -> Path:
        """This folder is ours for the whole run."""
        self.lasting[path] = identity(path)
        return path

    def damage(self) -> str:
        """What a server has done to the folders that are ours, in words; "" if nothing."""
        for path, before in self.lasting.items():
            try:
                usable = identity(path) == before and os.stat(path).st_mode & stat.S_IRWXU == stat.S_IRWXU
            except OSError:
                usable = False
            if not usable:
                what = "the grader's temporary folder" if path == self.path else f"the grader's folder {path.name!r}"
                return f"{what} is gone, or locked, or another: the server has done that"
        return ""

    def remove(self) -> str:
        """Remove all of it, locked folders and deep ones too. Returns what is left, in words; "" if nothing is."""
        if self.file < 0:
            return ""
        end = time.monotonic() + GIVE_UP
        places = {self.path, Path(re.sub(r" \(deleted\)$", "", os.readlink(f"/proc/self/fd/{self.file}")))}
        os.close(self.file)
        self.file = -1
        for place in places:
            unmount_below(place)
            try:
                clear(place, end)
            except OSError as error:
                return f"{place} could not be removed: {error.strerror}"
        return ""


def identity(path: Path) -> tuple[int, int]:
    found = os.lstat(path)
    return found.st_dev, found.st_ino


def clear(place: Path, end: float) -> None:
    """Remove a tree; nothing is followed. end: by time.monotonic(). Raises OSError if something is left."""
    if not place.is_dir() or place.is_symlink():
        if os.path.lexists(place):
            at_once(os.unlink, str(place))
        return
    folders, found, brought = [str(place)], [], 0
    longest = len(folders[0]) + DEEP
    while folders:
        found.append(folder := folders.pop())
        with suppress(OSError):
            at_once(lambda path: os.chmod(path, stat.S_IRWXU), folder)
        for path in below(folder, folders=True):
            if len(path) > longest:  # soon too long for a path: brought up
                brought += 1
                os.rename(path, path := f"{place}/deep-{brought}-{os.getpid()}")
            folders.append(path)
    for folder in reversed(found):
        for path in below(folder, folders=False):
            at_once(os.unlink, path)
            if time.monotonic() > end:
                raise OSError(None, f"after {GIVE_UP:.0f} s there was still more in it")
        at_once(os.rmdir, folder)


def below(folder: str, *, folders: bool) -> list[str]:
    """The paths of the folders in a folder, or of all else."""
    try:
        with os.scandir(folder) as entries:
            return [entry.path for entry in entries if entry.is_dir(follow_symlinks=False) == folders]
    except OSError:
        return []


def at_once(action: Callable[[str], None], path: str) -> None:
    """Do it; if it is not allowed, once more without what chattr(1) has set. Raises OSError."""
    try:
        action(path)
    except FileNotFoundError:
        return
    except PermissionError:
        for each in (os.path.dirname(path), path):
            with suppress(OSError):
                file = os.open(each, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
                try:
                    fcntl.ioctl(file, FS_IOC_SETFLAGS, array.array("l", [0]))
                finally:
                    os.close(file)
        action(path)


def unmount_below(place: Path) -> None:
    """What a server that is root has mounted in our folder, proc_pid_mountinfo(5): in the fifth field, with escapes."""
    points = [line.split(" ")[4] for line in Proc().lines("self", "mountinfo") if line.count(" ") > 4]
    paths = [re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), point) for point in points]
    for path in reversed(paths):
        if path == str(place) or path.startswith(f"{place}/"):
            LIBC.umount2(ctypes.c_char_p(os.fsencode(path)), MNT_DETACH | UMOUNT_NOFOLLOW)
