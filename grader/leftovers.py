"""What a server without walls leaves outside of the workshop: memory, queues, semaphores, files that all share.

The machine is others' too, and the server runs as we do. So only that is removed which is new since the run began, is
our user's, and is provably a server's: the kernel names one of its processes as the maker or the last user, or one of
them had it open or mapped when it was ended. What else is new of System V's kinds, which hardly anybody uses, is told;
files are not, since who has made them cannot be known.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from grader.kernel import LIBC, Proc

FOLDERS = ("/dev/shm", "/tmp", "/var/tmp")
GRADERS = (".eight-servers-", "eight-servers-")  # what graders make there themselves
MOST = 100  # processes of a family that are looked into
IPC_RMID, GETPID = 0, 11  # include/uapi/linux/ipc.h, sem.h
#: Table of /proc/sysvipc -> in words, the columns of processes and of the owner, and what removes it: sysvipc(7).
KINDS: dict[str, tuple[str, tuple[int, ...], int, Callable[[int], int]]] = {
    "shm": ("shared memory", (4,), 7, lambda number: int(LIBC.shmctl(number, IPC_RMID, None))),
    "msg": ("a message queue", (5, 6), 7, lambda number: int(LIBC.msgctl(number, IPC_RMID, None))),
    "sem": ("semaphores", (), 4, lambda number: int(LIBC.semctl(number, 0, IPC_RMID))),
}

OPTIONS = {"shm": "m", "msg": "q", "sem": "s"}  # of ipcrm(1)


class Leftovers:
    """Of all servers of a run. `look` at each family before it is killed, `clear` after the last."""

    def __init__(self, proc: Proc | None = None):
        self.proc = proc or Proc()
        self.ids = {kind: set(self.listed(kind)) for kind in KINDS}
        self.names = {f"{folder}/{name}" for folder in FOLDERS for name in names(folder)}
        self.pids: set[int] = set()
        self.held: dict[str, tuple[int, int]] = {}  # path -> device and inode
        self.queues: set[str] = set()

    def listed(self, kind: str) -> dict[int, list[str]]:
        """Our user's objects of one kind: number -> the row of its table."""
        found = (line.split() for line in self.proc.lines("sysvipc", kind)[1:])
        return {int(row[1]): row for row in found if row[KINDS[kind][2]] == str(os.geteuid())}

    def look(self, pids: Iterable[int]) -> None:
        """Note what these processes have open, or mapped."""
        for pid in list(pids)[:MOST]:
            self.pids.add(pid)
            for path in self.paths(pid):
                with suppress(OSError):
                    found = os.lstat(path)
                    if found.st_uid == os.geteuid():
                        self.held[path] = found.st_dev, found.st_ino

    def paths(self, pid: int) -> Iterator[str]:
        """Of files where everybody may write, that were not there before."""
        opened = self.proc.descriptors(pid)
        self.queues |= {path for number, path in opened.items() if self.is_queue(pid, number, path)}
        mapped = (line.split(None, 5)[5:] for line in self.proc.lines(pid, "maps"))
        for path in {*opened.values(), *(path for row in mapped for path in row)}:
            folder = next((folder for folder in FOLDERS if path.startswith(f"{folder}/")), "")
            name = path.removeprefix(f"{folder}/").split("/")[0]
            if folder and f"{folder}/{name}" not in self.names and not name.startswith(GRADERS):
                yield path

    def is_queue(self, pid: int, number: int, path: str) -> bool:
        """Whether a descriptor is a POSIX message queue: they lie on a file system of their own, mq_overview(7)."""
        if path.count("/") != 1 or os.path.lexists(path):
            return False
        return any(line.startswith("pos:") for line in self.proc.description(pid, number)) and "(deleted)" not in path

    def clear(self) -> list[str]:
        """Remove what is theirs. Returns what was there, in words."""
        said = [f"{path}, which has been removed" for path, its in self.held.items() if unlinked(path, its)]
        for name in self.queues:
            if LIBC.mq_unlink(os.fsencode(name)) == 0:
                said.append(f"the message queue {name}, which has been removed")
        for kind, (words, columns, _, remove) in KINDS.items():
            for number, row in self.listed(kind).items():
                if number in self.ids[kind]:
                    continue
                pids = {int(row[column]) for column in columns}
                if kind == "sem":
                    pids = {int(LIBC.semctl(number, at, GETPID)) for at in range(min(int(row[3]), MOST))}
                removed = bool(pids & self.pids) and remove(number) == 0
                end = "has been removed" if removed else f"may be the server's (`ipcrm -{OPTIONS[kind]} {number}`)"
                said.append(f"{words} {number} of System V, which {end}")
        return said


def names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def unlinked(path: str, its: tuple[int, int]) -> bool:
    """Whether this very file was there, and is gone now."""
    try:
        found = os.lstat(path)
        if (found.st_dev, found.st_ino) != its:
            return False
        os.unlink(path)
    except OSError:
        return False
    return True
