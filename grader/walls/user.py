"""Another user's id and limits, for a grader that is root where no namespaces can be had: most containers.

The server shares the network, /tmp and all that everybody may read. What it leaves is found by its user's number.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from grader.budget import END_WITHIN
from grader.finding import CannotGrade
from grader.walls import INSIDE, Program, Started, Walls, limits, popen, uids
from grader.workshop import GIVE_UP, clear

COMMON = ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run/lock", "/var/lock")  # where everybody may write
#: The columns of a table in /proc/sysvipc that name its owner and its creator, and what removes one: ipcrm(1).
IPC = {"shm": (7, 9, "-m"), "msg": (7, 9, "-q"), "sem": (4, 6, "-s")}


def tool(name: str) -> str:
    """The path of a program. Raises CannotGrade."""
    if path := shutil.which(name):
        return path
    raise CannotGrade(f"{name} is not installed")


class User(Walls):
    """uid: a number that is nobody else's meanwhile (`uids.lent`)."""

    name = "user"

    def __init__(self, uid: int, exposed: tuple[str, ...] = ()):
        """exposed: what everybody may read and a server should not."""
        super().__init__()
        self.uid = uid
        self.proc.owner = uid
        open_to = f"; everybody may read {' and '.join(exposed)} here" if exposed else ""
        self.note = f"the server ran as another user ({uid}), with the machine's own network and files{open_to}"
        self.workshop = Path("/nonexistent")

    def prepare(self, workshop: Path) -> None:
        self.workshop = workshop
        workshop.chmod(0o711)
        self.inside = shutil.copytree(INSIDE, workshop / "inside")

    def give(self, *paths: Path) -> None:
        for path in paths:
            uids.give(path, self.uid)

    def begin(self, program: Program) -> Started:
        for folder in program.script.parent.parents:
            if folder.is_relative_to(self.workshop):
                folder.chmod(0o711)
        own = program.script.parent, program.folder, *program.shared
        self.give(*own)
        command = [*self.drop(), tool("prlimit"), *limits.options(), "--", *program.command]
        return Owned(popen(command, program, cwd=program.folder), self, tuple(map(str, own)))

    def drop(self) -> list[str]:
        return uids.as_user(self.uid, tool("setpriv"))

    def pids(self) -> list[int]:
        found = []
        for pid in self.proc.numbers():
            with suppress(OSError):
                if os.stat(f"/proc/{pid}").st_uid == self.uid:
                    found.append(pid)
        return found

    def belongings(self) -> tuple[int, int]:
        running = [body for body in self.bodies if isinstance(body, Owned) and body.popen.returncode is None]
        places = [place for body in running for place in body.places]
        count = size = 0
        for entry in uids.owned(self.uid, (*places, *COMMON), limits.FILES + 1):
            with suppress(OSError):
                count, size = count + 1, size + entry.stat(follow_symlinks=False).st_blocks * 512
        return count, size

    def set_descriptors(self, pid: int, most: int) -> None:
        """By a program of that user's: to limit another's takes CAP_SYS_RESOURCE."""
        command = [*self.drop(), tool("prlimit"), f"--pid={pid}", f"--nofile={most}:"]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)

    def kill(self) -> None:
        """All processes of the user at once, kill(2) of -1, so that none is made meanwhile."""
        kill = [tool("sh"), "-c", "kill -STOP -1; kill -KILL -1"]
        give_up = time.monotonic() + END_WITHIN  # what lives on is told by whoever wants the end of it
        while [pid for pid in self.pids() if self.alive(pid)] and time.monotonic() < give_up:
            subprocess.run([*self.drop(), *kill], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(0.001)

    def alive(self, pid: int) -> bool:
        process = self.proc.process(pid)
        return process is not None and process.state not in "ZX"

    def close(self) -> None:
        """Remove what the user has left where everybody may write."""
        self.kill()
        for entry in uids.owned(self.uid, COMMON, 1 << 30):
            with suppress(OSError):
                clear(Path(entry.path), time.monotonic() + GIVE_UP)
        for option, number in self.ipc():
            subprocess.run([tool("ipcrm"), option, number], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ipc(self) -> Iterator[tuple[str, str]]:
        """The user's shared memory, queues and semaphores of System V, as ipcrm(1) names them: sysvipc(7)."""
        for name, (owner, creator, option) in IPC.items():
            for line in self.proc.read("sysvipc", name).splitlines()[1:]:
                fields = line.split()
                if str(self.uid) in (fields[owner], fields[creator]):
                    yield option, fields[1]


class Owned(Started):
    """A server that is a child of the grader, and all of its user's processes with it."""

    def __init__(self, body: subprocess.Popen[bytes], user: User, places: tuple[str, ...]):
        """places: folders that it may write into."""
        super().__init__(body, user.proc)
        self.places = places
        self.user = user

    def kill(self) -> None:
        """Unless another server runs: that is the same user's."""
        if not any(body.popen.returncode is None for body in self.user.bodies if body is not self):
            self.user.kill()
