"""Hostile servers against walls: each is started as a server is, and what came of its attack is looked at from outside.

A file of `hostile/` says in its docstring what it attacks, which walls stop it, and how that it succeeded is proven:

    secret   it has printed what only the grader's side knows
    word     it has printed "done", which it does when the kernel let it do what it wanted
    decoy    the process that stands for the grader has ended or has been stopped
    trace    something that it has written is there after its end
    alive    a process of it is there after its end, and holds the pipe that it prints into
    ipc      a segment of shared memory is there after its end
    port     nobody outside can listen at the port that it has taken
    name     nobody outside can have the abstract socket that it has taken

One that only root can do where nothing stops it says `Needs: root`.

    python tests/project/arena.py WALL [NAME ...]     try these attacks, or all, behind a wall
    python tests/project/arena.py table               write what walls stop into GRADING.md

The attacks are bounded, and aim at a decoy: nothing of the machine is harmed where nothing stops them.
"""

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
sys.path.insert(0, str(REPOSITORY))

from grader.finding import CannotGrade  # noqa: E402
from grader.kernel import Proc  # noqa: E402
from grader.walls import Program, Walls, choice, limits, uids  # noqa: E402
from grader.walls.bubblewrap import Bubblewrap, outer  # noqa: E402
from grader.walls.user import User  # noqa: E402

WALLS = ("none", "user", "bwrap")
PATIENT = 20.0  # seconds, for what comes at once or never
#: Small enough that a bounded attack exceeds them.
SMALL = {
    "TASKS": 100,
    "MEMORY": 150 << 20,
    "PRIVATE": 16 << 20,
    "FILE": 20 << 20,
    "FILES": 1000,
    "BYTES": 50 << 20,
    "EVERY": 0.05,
}


@dataclass(frozen=True)
class Attack:
    path: Path

    @property
    def name(self) -> str:
        return self.path.stem

    def note(self, key: str) -> str:
        return re.search(rf"^(?:\"\"\")?{key}: (.*)", self.path.read_text("utf-8"), re.M)[1]

    @property
    def needs_root(self) -> bool:
        return "\nNeeds: root\n" in self.path.read_text("utf-8")

    @property
    def stopped_by(self) -> set[str]:
        return set(self.note("Stopped by").split(", "))


def attacks() -> list[Attack]:
    return [Attack(path) for path in sorted(HERE.glob("hostile/*.py"))]


class Outside:
    """Whoever else is on the machine: listens at a port, and tells which ports and names are still to be had.

    It is asked by a socket that is a file, which goes through every network.
    """

    def __init__(self, folder: Path):
        self.server = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.port = self.server.getsockname()[1]
        self.path = str(folder / "outside")
        self.door = socket.socket(socket.AF_UNIX)
        self.door.bind(self.path)
        self.door.listen()
        threading.Thread(target=self.answer, daemon=True).start()

    def answer(self) -> None:
        while True:
            try:
                asked = self.door.accept()[0]
            except OSError:
                return
            with asked:
                kind, _, what = asked.recv(1000).decode().partition(" ")
                asked.sendall(b"free" if free(kind, what) else b"taken")

    def close(self) -> None:
        self.door.shutdown(socket.SHUT_RDWR)
        self.door.close()
        self.server.close()


def free(kind: str, what: str) -> bool:
    with socket.socket(socket.AF_INET if kind == "port" else socket.AF_UNIX) as ours:
        try:
            ours.bind(("127.0.0.1", int(what)) if kind == "port" else f"\0{what}")
        except OSError:
            return False
    return True


class Arena:
    """One wall, and what attacks aim at. `folder` is readable for everybody; in it are folders that are not."""

    def __init__(self, folder: Path, walls: Walls, python: str):
        self.folder, self.walls, self.python = folder, walls, python
        self.mark = f"mark{secrets.token_hex(6)}"
        self.secret = f"secret{secrets.token_hex(12)}"
        for name, mode in (("private", 0o700), ("public", 0o755)):
            (folder / name).mkdir()
            (folder / name / "text").write_text(self.secret)
            (folder / name).chmod(mode)
        self.guard: subprocess.Popen[bytes] | None = None
        self.count = 0

    def decoy(self) -> subprocess.Popen[bytes]:
        """A process with a secret in its memory and its environment, which stands for the grader."""
        if self.guard is None or self.guard.poll() is not None:
            command = [f"the-grader-{self.mark}", "1000"]
            self.guard = subprocess.Popen(
                command, executable=shutil.which("sleep"), env={"TOKEN": self.secret}, start_new_session=True
            )
        return self.guard

    def play(self, attack: Attack) -> tuple[bool, str]:
        """Whether the attack succeeds, and what it printed."""
        self.count += 1
        place = self.folder / f"{self.count}-{attack.name}"
        (place / "results").mkdir(parents=True)
        for name in ("copy", "work"):
            (place / "its" / name).mkdir(parents=True)
        script = place / "its" / "copy" / "server.py"
        shutil.copy(attack.path, script)
        for module in (attack.path.parent / "beside").glob("*.py"):
            shutil.copy(module, script.parent)
        self.decoy()
        reader, writer = os.pipe2(os.O_CLOEXEC)
        command = [self.python, str(script), json.dumps(self.told(place))]
        environment = {"PATH": os.defpath, "ARENA": self.mark}
        body = self.walls.start(Program(command, script, place / "its" / "work", environment, writer))
        os.close(writer)
        printed = Printed(reader)
        give_up = time.monotonic() + PATIENT
        while body.status() is None and not printed.has("done", "ready") and time.monotonic() < give_up:
            time.sleep(0.005)
        try:
            succeeded = self.proven(attack, place, printed, before_end=True)
        finally:
            with suppress(ProcessLookupError):
                os.kill(body.pid, signal.SIGKILL)
            body.kill()
            body.popen.wait()
            self.walls.close()
        printed.thread.join(2)  # all that it has printed; a daemon may keep the pipe open
        succeeded = succeeded or self.proven(attack, place, printed, before_end=False)
        self.clean(printed)
        return succeeded, f"{printed.text[-300:]}{body.excess}"

    def told(self, place: Path) -> dict[str, object]:
        """What an attack knows: more than a real one would."""
        private, outside = str(self.folder / "private" / "text"), json.loads((self.folder / "told").read_text())
        return {
            **dict.fromkeys(("solutions", "other", "results"), private),
            "open": str(self.folder / "public" / "text"),
            "folder": str(place / "results"),
            "result": str(place / "results" / "result.json"),
            "decoy": f"the-grader-{self.mark}",
            "mark": self.mark,
            "key": int(self.mark[4:], 16) & 0x7FFFFFFF,
            **outside,
        }

    def proven(self, attack: Attack, place: Path, printed: "Printed", *, before_end: bool) -> bool:
        told = self.told(place)
        proof = attack.note("Proof")
        if before_end:
            return {
                "secret": lambda: printed.has(self.secret),
                "word": lambda: printed.has("done"),
                "port": lambda: printed.has("ready") and self.ask(f"port {told['free']}") == "taken",
                "name": lambda: printed.has("ready") and self.ask(f"name {self.mark}") == "taken",
            }.get(proof, bool)()
        return {
            "secret": lambda: printed.has(self.secret),
            "word": lambda: printed.has("done"),
            "decoy": self.decoy_is_hurt,
            "trace": lambda: any(map(os.path.lexists, self.traces(told))),
            "alive": printed.goes_on,
            "ipc": lambda: bool(segments(told["key"])),
        }.get(proof, bool)()

    def ask(self, question: str) -> str:
        with socket.socket(socket.AF_UNIX) as asked:
            asked.connect(str(self.folder / "outside"))
            asked.sendall(question.encode())
            return asked.recv(100).decode()

    def decoy_is_hurt(self) -> bool:
        guard = self.decoy_as_it_is()
        return guard.poll() is not None or Proc().process(guard.pid).state == "T"

    def decoy_as_it_is(self) -> subprocess.Popen[bytes]:
        assert self.guard
        return self.guard

    def traces(self, told: dict[str, object]) -> list[str]:
        return [str(told["result"]), f"/dev/shm/left-{self.mark}", f"/tmp/left-{self.mark}"]

    def alive(self) -> list[int]:
        """Processes of an attack: each has inherited the environment."""
        proc = Proc()
        return [
            pid
            for pid in proc.numbers()
            if f"ARENA={self.mark}" in proc.read(pid, "environ").split("\0") and proc.process(pid)
        ]

    def clean(self, printed: "Printed") -> None:
        """What an attack has left where nothing stops it."""
        while (left := self.alive()) or printed.goes_on():
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.005)
        printed.close()
        guard = self.decoy_as_it_is()
        if guard.poll() is None:
            guard.send_signal(signal.SIGCONT)
        for number in segments(int(self.mark[4:], 16) & 0x7FFFFFFF):
            subprocess.run(["ipcrm", "-m", number], check=True)
        for path in (f"/dev/shm/left-{self.mark}", *Path("/tmp").glob(f"*-{self.mark}*")):
            if Path(path).is_dir():
                os.chmod(path, 0o700)
                shutil.rmtree(path)
            else:
                Path(path).unlink(missing_ok=True)

    def close(self) -> None:
        if self.guard:
            self.guard.kill()
            self.guard.wait()


class Printed:
    """What a program has printed so far, its end and 1 MiB of it at most."""

    def __init__(self, reader: int):
        self.reader = reader
        self.text = ""
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self) -> None:
        while chunk := os.read(self.reader, 1 << 16):
            self.text = (self.text + chunk.decode("utf-8", "replace"))[-1 << 20 :]

    def has(self, *words: str) -> bool:
        return any(word in self.text for word in words)

    def goes_on(self) -> bool:
        """Whether somebody is left who could print."""
        return self.thread.is_alive()

    def close(self) -> None:
        os.close(self.reader)


def segments(key: object) -> list[str]:
    """Those of System V with this key, by number: sysvipc(7)."""
    rows = [line.split() for line in Proc().read("sysvipc", "shm").splitlines()[1:]]
    return [row[1] for row in rows if int(row[0]) == key]


def interpreter() -> str:
    """A Python that another user may run. Raises CannotGrade."""
    with uids.lent() as uid:
        why = CannotGrade("there is no Python")
        for python in dict.fromkeys((sys.executable, "/usr/bin/python3")):
            try:
                choice.attempt(User(uid), python)
            except (CannotGrade, OSError) as error:
                why = CannotGrade(str(error))
            else:
                return python
        raise why


def tried(wall: str, names: list[str]) -> dict[str, tuple[bool, str]]:
    """Attack -> whether it succeeds behind this wall, and what was seen. Raises CannotGrade if it cannot be had."""
    python, within = sys.executable, ""
    if wall == "user":
        if os.geteuid():
            raise CannotGrade("only root can be another user")
        python = interpreter()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="arena-", ignore_cleanup_errors=True)))
        folder.chmod(0o755)
        outside = Outside(folder)
        stack.callback(outside.close)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        (folder / "told").write_text(json.dumps({"port": outside.port, "free": port}))
        command = [sys.executable, __file__, "within", wall, str(folder), python, *names]
        if wall == "bwrap":
            uid = 0 if os.geteuid() else stack.enter_context(uids.lent())
            choice.bubblewrap(uid, python)
            command, within = [*outer([folder]), *command], str(uid)
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env={**os.environ, choice.WITHIN: within},
            cwd=REPOSITORY,
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return json.loads(done.stdout)


def within(wall: str, folder: Path, python: str, names: list[str]) -> dict[str, tuple[bool, str]]:
    """The same, where the grader would be."""
    for name, value in SMALL.items():
        setattr(limits, name, value)
    with ExitStack() as stack:
        walls = Walls()
        if wall == "user":
            walls = User(stack.enter_context(uids.lent()))
            walls.prepare(folder)
            folder.chmod(0o755)
        elif wall == "bwrap":
            walls = Bubblewrap(int(os.environ[choice.WITHIN]))
        walls.site = folder / "site"
        walls.site.mkdir()
        if wall != "none":
            stack.callback(limits.Watch(walls).stop)
        arena = Arena(folder, walls, python)
        stack.callback(arena.close)
        return {attack.name: arena.play(attack) for attack in attacks() if not names or attack.name in names}


def table() -> str:
    """What each wall stops, for GRADING.md."""
    lines = ["| a server that would ... | user | bwrap |", "| --- | :-: | :-: |"]
    for attack in sorted(attacks(), key=lambda each: (len(each.stopped_by), each.name)):
        marks = ["stopped" if wall in attack.stopped_by else "**not**" for wall in WALLS[1:]]
        lines.append(f"| {attack.note('Attack')} | {' | '.join(marks)} |")
    return "\n".join(lines) + "\n"


BEGIN, END = "<!-- walls: written by tests/project/arena.py -->\n", "<!-- end of walls -->\n"


def written(text: str) -> str:
    """GRADING.md with the table as it should be."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}"


def main() -> None:
    what, *rest = sys.argv[1:]
    if what == "within":
        wall, folder, python, *names = rest
        print(json.dumps(within(wall, Path(folder), python, names)))
    elif what == "json":
        print(json.dumps(tried(rest[0], rest[1:])))
    elif what == "table":
        page = REPOSITORY / "GRADING.md"
        page.write_text(written(page.read_text("utf-8")), "utf-8")
    else:
        for name, (succeeded, seen) in tried(what, rest).items():
            print(f"{'SUCCEEDED' if succeeded else 'stopped':10} {name:24} {seen.strip().splitlines()[-1:]}")


if __name__ == "__main__":
    main()
