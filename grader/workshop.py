"""The run's one temporary folder: made, looked after, and removed, whatever a server has done to it."""

import array
import ctypes
import errno
import fcntl
import math
import os
import re
import resource
import stat
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from grader.finding import CannotGrade
from grader.kernel import LIBC, Proc
from grader.stale import PREFIX, lock, sweep
from grader.words import plural

ROOM, FILES = 96 << 20, 3000  # bytes, and files: the site, copies of it that change, and those of a submission
DEEP = 1000  # characters of a path: some hundred folders at most
GIVE_UP = 120.0  # seconds, after which what is left is left, and said
FS_IOC_SETFLAGS = 0x40086602  # include/uapi/linux/fs.h, where long has eight bytes: chattr(1)
MNT_DETACH, UMOUNT_NOFOLLOW = 2, 8


def temporary_folder() -> str:
    """Where temporary files go: TMPDIR if it is set. Raises CannotGrade if there is no such folder."""
    given = next((given for name in ("TMPDIR", "TEMP", "TMP") if (given := os.environ.get(name))), None)
    try:
        folder = given if given and tempfile.tempdir is None else tempfile.gettempdir()
    except FileNotFoundError:
        raise CannotGrade("no temporary folder can be written to; set TMPDIR to one that can be") from None
    try:
        folder = os.path.realpath(folder, strict=True)
        if not os.path.isdir(folder):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    except OSError as error:
        raise no_folder(folder, error) from None
    return folder


def no_folder(folder: str | Path, error: OSError | str) -> CannotGrade:
    why = error if isinstance(error, str) else error.strerror
    return CannotGrade(
        f"the temporary folder {folder} will not do: {why}; set TMPDIR to one with {ROOM >> 20} MiB of room"
    )


class Workshop:
    """Copies of the submission, document roots, working folders. Raises CannotGrade if they cannot be had.

    The servers run as we do, and may remove, rename and lock what is in here: so its names cannot be guessed, a
    descriptor tells it from whatever else has its name, and its end asks for nothing of what was.
    """

    def __init__(self) -> None:
        parent = temporary_folder()
        sweep(parent, remove_all)
        self.count, self.file, self.lock = 0, -1, -1
        self.lasting: dict[Path, tuple[int, int]] = {}  # folders that nobody else is to touch -> device and inode
        try:
            self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
            self.file = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self.lock = lock(self.path)
            self.measure()
        except OSError as error:
            self.remove()
            raise no_folder(parent, error) from None
        except BaseException:
            self.remove()
            raise
        self.keep(self.path)

    def measure(self) -> None:
        """Raise CannotGrade if there is no room for what a run writes."""
        there, most = os.fstatvfs(self.file), resource.getrlimit(resource.RLIMIT_FSIZE)[0]
        if (free := there.f_bavail * there.f_frsize) < ROOM:
            raise no_folder(self.path.parent, f"it has {free >> 20} MiB left")
        if there.f_files and there.f_favail < FILES:
            raise no_folder(self.path.parent, f"it has room for {plural(there.f_favail, 'more file')}")
        if 0 <= most < ROOM:
            raise CannotGrade(
                f"a file may have {most >> 20} MiB here, and grading needs {ROOM >> 20}: `ulimit -f unlimited`"
            )

    def folder(self, name: str) -> Path:
        self.count += 1
        return Path(tempfile.mkdtemp(prefix=f"{name}-{self.count}-", dir=self.path))

    def keep(self, path: Path) -> Path:
        """This folder is ours for the whole run."""
        self.lasting[path] = identity(path)
        return path

    def damage(self) -> str:
        """What has become of the folders that are ours, in words; "" if nothing. Who did it cannot be known."""
        for path, before in self.lasting.items():
            try:
                usable = identity(path) == before and os.stat(path).st_mode & stat.S_IRWXU == stat.S_IRWXU
            except OSError:
                usable = False
            if not usable:
                what = "the grader's temporary folder" if path == self.path else f"the grader's folder {path.name!r}"
                return f"{what} is gone, or locked, or another: the server did that, or who cleans up temporary files"
        return ""

    def remove(self) -> str:
        """Remove all of it, locked folders and deep ones too. Returns what is left, in words; "" if nothing is."""
        if self.file < 0:
            return ""
        end = time.monotonic() + GIVE_UP
        places = {self.path, Path(re.sub(r" \(deleted\)$", "", os.readlink(f"/proc/self/fd/{self.file}")))}
        os.close(self.file)
        self.file = -1
        why = " ".join(filter(None, (remove_all(place, end) for place in places)))
        if self.lock >= 0:
            os.close(self.lock)
        return why


def remove_all(place: Path, end: float = math.inf) -> str:
    """Remove a tree with what is mounted in it; end: by time.monotonic(). Returns what is left, in words."""
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
