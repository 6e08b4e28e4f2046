"""How much a server may have of what there is, and who watches that. A right server needs a small part of it.

What prlimit(2) and a file system's size can bound, the kernel keeps. Memory, files and processor time of a whole
family it keeps by cgroups only, which hardly any place lets us have: those are looked at ten times a second.
"""

import os
import resource
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grader.walls import Walls

MIB = 1 << 20
WORKSHOP = 1024 * MIB  # the grader's own temporary folder, where it has one in memory
PRIVATE = 128 * MIB  # each folder in memory that a server may write into
TASKS = 2500  # processes and threads
FILE = 256 * MIB
DESCRIPTORS = 65_536
MEMORY = 2048 * MIB  # of all processes together, shared pages counted once
FILES = 20_000  # inodes of one folder, or of all where no folder is a server's own
BYTES = 512 * MIB  # in files, where no folder is a server's own
CPU = 900  # seconds of all living processes together
EVERY = 0.1  # seconds between two looks
PAGE = os.sysconf("SC_PAGE_SIZE")


def options() -> list[str]:
    """For prlimit(1)."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    most = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    return [f"--nproc={TASKS}", f"--nofile={most}", f"--fsize={FILE}", "--core=0"]


class Watch(threading.Thread):
    """Looks at all that runs behind these walls, and ends it when it has too much of something."""

    def __init__(self, walls: "Walls"):
        super().__init__(daemon=True, name="limits")
        self.walls = walls
        self.over = threading.Event()
        self.start()

    def run(self) -> None:
        looks = 0
        while not self.over.wait(EVERY):
            looks += 1
            bodies = [body for body in self.walls.bodies if not body.excess]
            if bodies and (excess := self.of_processes() or self.of_files(looks)):
                for body in bodies:
                    body.excess = excess
                self.walls.kill()

    def stop(self) -> None:
        self.over.set()
        self.join()

    def of_processes(self) -> str:
        """What the processes have too much of, in words; "" for nothing."""
        pids = self.walls.pids()
        stats = [self.walls.proc.stat(pid) for pid in pids]
        if sum(int(fields[11]) + int(fields[12]) for fields in stats if fields) / os.sysconf("SC_CLK_TCK") > CPU:
            return f"its processes used more than {CPU} seconds of processor time"
        if self.resident(pids) > MEMORY and (memory := sum(map(self.proportional, pids))) > MEMORY:
            return f"its processes had {memory >> 20} MiB of memory, more than {MEMORY >> 20}"
        return ""

    def resident(self, pids: list[int]) -> int:
        """Bytes, pages that several share counted for each: quickly known, proc_pid_statm(5)."""
        return sum(int((self.walls.proc.read(pid, "statm").split() or "00")[1]) for pid in pids) * PAGE

    def proportional(self, pid: int) -> int:
        """Bytes, of shared pages its part: proc_pid_smaps(5), Pss."""
        for line in self.walls.proc.read(pid, "smaps_rollup").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) << 10
        return 0

    def without_name(self) -> dict[int, int]:
        """Inode -> bytes of files that are in no folder and in no process's memory: memfd_create(2)."""
        found = {}
        for pid in self.walls.pids():
            named = [n for n, target in self.walls.proc.descriptors(pid).items() if target.startswith("/memfd:")]
            with suppress(OSError), self.walls.proc.asking():
                for status in (os.stat(f"/proc/{pid}/fd/{number}") for number in named):
                    found[status.st_ino] = status.st_blocks * 512
        return found

    def of_files(self, looks: int) -> str:
        for body in self.walls.bodies:
            for place in body.private():
                try:
                    told = os.statvfs(place)
                except OSError:
                    continue
                if told.f_files - told.f_ffree > FILES:
                    return f"it made more than {FILES} files"
        if looks % 10:  # these have to be counted
            return ""
        if sum((files := self.without_name()).values()) > MEMORY:
            return f"it had {sum(files.values()) >> 20} MiB in files without a name, more than {MEMORY >> 20}"
        count, size = self.walls.belongings()
        if count > FILES:
            return f"it made more than {FILES} files"
        return f"its files had more than {BYTES >> 20} MiB" if size > BYTES else ""
