"""Two layers of bubblewrap (bwrap(1)): the grader in a network, processes and a temporary folder of its own, and in
there each server alone, where it sees the site, the interpreter, and its own copy of what was handed in.

An unprivileged user gets them by user namespaces. For root they need none: there the server is another user, without
any capability. In both a server's processes are in a namespace of their own below the grader's, so that the grader
sees and signals them, and they see nobody.
"""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from grader.finding import CannotGrade
from grader.kernel import Proc
from grader.walls import INSIDE, Program, Started, Walls, limits, popen, seccomp
from grader.walls.user import User, tool

OURS = "/dev/shm"  # the grader's temporary folder in the outer layer: a place that nothing else is in
SOURCE = "/submission"
#: Of /etc: what the C library and Python read. Nothing in there is a secret.
ETC = (
    *("passwd", "group", "nsswitch.conf", "hosts", "host.conf", "gai.conf", "protocols", "services", "mime.types"),
    *("localtime", "timezone", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives"),
)
SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
#: What the server's main process does first: it waits until the grader knows it, and takes its copy.
BEGIN = f'read -r go; cp -RP {SOURCE}/. "$1"; shift; exec "$@" </dev/null'


def private(size: int, where: str | Path) -> list[str]:
    """A file system in memory that takes so many bytes."""
    return ["--size", str(size), "--perms", "1777", "--tmpfs", str(where)]


def outer(writable: list[Path]) -> list[str]:
    """bwrap and its options for the grader itself, which may write into these folders and nowhere else."""
    command = [tool("bwrap"), "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    command += [*private(limits.WORKSHOP, OURS), "--remount-ro", "/dev"]
    for folder in writable:
        command += ["--bind", str(folder), str(folder)]
    if os.geteuid():
        command.append("--unshare-user")
    command += ["--unshare-net", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent"]
    return [*command, "--setenv", "TMPDIR", OURS, "--"]


class Bubblewrap(Walls):
    """The inner layer, for a grader that is in the outer one. uid: the server's, if the grader is root."""

    name = "bwrap"

    def __init__(self, uid: int = 0):
        super().__init__()
        self.user = User(uid) if uid else None
        self.note = "the server was alone in its own network, processes and files, " + (
            f"as another user ({uid}) without capabilities" if uid else "in a user namespace without capabilities"
        )

    def prepare(self, workshop: Path) -> None:
        self.inside = shutil.copytree(INSIDE, workshop / "inside")

    def give(self, *paths: Path) -> None:
        if self.user:
            self.user.give(*paths)

    def set_descriptors(self, pid: int, most: int) -> None:
        if self.user:
            self.user.set_descriptors(pid, most)
        else:
            super().set_descriptors(pid, most)

    def pids(self) -> list[int]:
        """All that there are here but the first, bwrap's, and ourselves."""
        return [pid for pid in self.proc.numbers() if pid not in (1, os.getpid())]

    def begin(self, program: Program) -> Started:
        self.give(program.script.parent, *program.shared)
        said, say = os.pipe2(os.O_CLOEXEC)
        files = [memory("\0".join(self.options(program)).encode()), memory(seccomp.program()), say]
        command = [tool("bwrap"), "--args", str(files[0]), "--info-fd", str(say)]
        if seccomp.program():
            command += ["--seccomp", str(files[1])]
        try:
            body = popen([*command, "--", *self.chain(program)], program, stdin=subprocess.PIPE, pass_fds=files)
        finally:
            for file in files:
                os.close(file)
        with open(said, "rb") as told:
            numbers = first(body, told.read(), self.proc)
        private = ("/tmp", "/dev/shm", str(program.script.parent), str(program.folder))
        return Inside(body, numbers, self.proc, private)

    def chain(self, program: Program) -> list[str]:
        """What is run in there: the server, within limits, and as nobody in particular."""
        other = self.user.drop() if self.user else []
        begin = [tool("sh"), "-c", BEGIN, "sh", str(program.script.parent)]
        return [tool("setsid"), *other, *begin, tool("prlimit"), *limits.options(), "--", *program.command]

    def options(self, program: Program) -> Iterator[str]:
        """bwrap's options for one server."""
        yield from ("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent", "--unshare-cgroup-try")
        if not self.user:
            yield from ("--unshare-user", "--disable-userns", "--cap-drop", "ALL")
        yield from system()
        yield from ("--proc", "/proc", "--dev", "/dev")
        for place in ("/dev/shm", "/tmp"):
            yield from private(limits.PRIVATE, place)
        yield from ("--symlink", "/tmp", "/var/tmp", "--remount-ro", "/dev")
        copy = str(program.script.parent)
        seen = [*interpreter(program.command[0]), program.environment.get("PYTHONPATH", ""), str(self.site)]
        seen = [path for path in seen if path]
        shared = [str(path) for path in program.shared]
        yield from above([*seen, copy, str(program.folder), *shared])
        for path in seen:
            yield from ("--ro-bind", path, path)
        yield from ("--ro-bind", copy, SOURCE)
        for place in (copy, str(program.folder)):
            yield from private(limits.PRIVATE, place)
        for link, target in {**self.links, **links_in(program.folder)}.items():
            yield from ("--symlink", str(target), str(link))
        for path in shared:
            yield from ("--bind", path, path)
        yield from ("--remount-ro", "/", "--chdir", str(program.folder))


def first(body: subprocess.Popen[bytes], told: bytes, proc: Proc) -> tuple[int, int]:
    """The first process of the namespace, bwrap's own, and its child. told: by --info-fd."""
    with suppress(ValueError, KeyError):
        init = int(json.loads(told)["child-pid"])
        give_up = time.monotonic() + 60
        while body.poll() is None and time.monotonic() < give_up:
            if children := proc.read(init, "task", init, "children").split():
                return init, int(children[0])
            time.sleep(0.0005)
    body.kill()
    raise CannotGrade("bwrap could not build the walls; `bwrap --ro-bind / / --unshare-all true` may say why")


class Inside(Started):
    """A server in a namespace of processes of its own.

    The first process there, bwrap's, would wait for orphans, and the main process, as soon as they end. How they end
    is evidence, as it is without walls; so it is stopped, and they stay zombies until the end.
    """

    def __init__(self, body: subprocess.Popen[bytes], first: tuple[int, int], proc: Proc, private: tuple[str, ...]):
        super().__init__(body, proc)
        self.places = private
        self.adopter, self.pid = first
        self.ours = frozenset({body.pid, self.adopter})
        self.exit: int | None = None
        os.kill(self.adopter, signal.SIGSTOP)
        assert body.stdin
        body.stdin.close()  # go

    def status(self) -> int | None:
        """From the zombie: the last but one number of proc_pid_stat(5). Other threads may outlive the main one."""
        if self.exit is None:
            fields = self.proc.stat(self.pid)
            if not fields:  # the namespace is no more
                self.exit = -signal.SIGKILL
            elif fields[0] in "ZX" and len(self.proc.numbers(self.pid, "task")) < 2:
                self.exit = os.waitstatus_to_exitcode(int(fields[49]))
        return self.exit

    def private(self) -> list[str]:
        return [f"/proc/{self.adopter}/root{place}" for place in self.places]

    def kill(self) -> None:
        """The kernel ends all of a namespace with its first process."""
        self.status()
        with suppress(ProcessLookupError):
            os.kill(self.adopter, signal.SIGKILL)
        self.popen.wait()


def memory(data: bytes) -> int:
    """A descriptor from which this can be read."""
    file = os.memfd_create("options")
    os.write(file, data)
    os.lseek(file, 0, os.SEEK_SET)
    return file


def system() -> Iterator[str]:
    """Programs and libraries of the machine, and the little of /etc that they read."""
    yield from ("--ro-bind", "/usr", "/usr")
    for name in SYSTEM:
        path = f"/{name}"
        if os.path.islink(path):
            yield from ("--symlink", os.readlink(path), path)
        elif os.path.isdir(path):
            yield from ("--ro-bind", path, path)
    yield from ("--perms", "0755", "--dir", "/etc")
    for name in ETC:
        if os.path.exists(f"/etc/{name}"):
            yield from ("--ro-bind", f"/etc/{name}", f"/etc/{name}")


def above(paths: list[str]) -> Iterator[str]:
    """The folders that these are in: left to bwrap, they would be its own user's alone."""
    for folder in sorted({str(parent) for path in paths for parent in Path(path).parents} - {"/"}):
        yield from ("--perms", "0755", "--dir", folder)


NAMES = "executable", "prefix", "exec_prefix", "base_prefix", "base_exec_prefix"
ASK = f"import json, sys; print(json.dumps([getattr(sys, name) for name in {NAMES}]))"
PARTS = ("bin", "lib", "lib64", "libexec", "pyvenv.cfg")
_known: dict[str, list[str]] = {}


def interpreter(python: str) -> list[str]:
    """Folders and files that this Python is made of, and every link on the way to it; none of /usr."""
    if python not in _known:
        told = subprocess.run([python, "-I", "-c", ASK], capture_output=True, check=True, stdin=subprocess.DEVNULL)
        executable, *prefixes = json.loads(told.stdout)
        found = dict.fromkeys(f"{prefix}/{part}" for prefix in prefixes for part in PARTS)
        while os.path.islink(executable):
            executable = os.path.join(os.path.dirname(executable), os.readlink(executable))
            found[os.path.dirname(executable)] = None
        for path in list(found):
            found[os.path.realpath(path)] = None
        _known[python] = [path for path in found if os.path.exists(path) and not path.startswith("/usr/")]
    return _known[python]


def links_in(folder: Path) -> dict[Path, Path]:
    return {path: Path(os.readlink(path)) for path in folder.iterdir() if path.is_symlink()}
