"""One grading run: the submission's copy, the document root, and every server that is started from them."""

import re
import secrets
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grader import STEPS, doors, preflight, waiting
from grader.budget import Budget
from grader.clock import Clock
from grader.docroot import DocumentRoot
from grader.finding import CannotGrade, Finding, Refused
from grader.intake import receive_one
from grader.intake.layout import SERVER
from grader.kernel import Proc
from grader.launch import MOST_PROCESSES, Launch, end_orphans, forgo_privileges, prepare_grader
from grader.leftovers import Leftovers
from grader.proof import Rest
from grader.subject import Server
from grader.verdicts import Verdicts, Watcher
from grader.walls import Walls, limits
from grader.workshop import Workshop

REPOSITORY = Path(__file__).resolve().parent.parent
SEED, EXAMPLES = 8, 25
PORTS_TRIED = 5000
TODO = re.compile(r"""raise NotImplementedError\(\s*f?["']{1,3}(TODO (\d+).*?)["']""")


class Grading:
    """What lasts for a run. `close` ends every server and removes every file."""

    def __init__(
        self,
        submission: Path,
        step: str,
        python: str = sys.executable,
        walls: Walls | None = None,
        *,
        lone: bool = True,
        follow: bool = True,
    ):
        self.walls = walls or Walls()
        self.step = step
        self.budget = Budget()
        self.submission = submission
        try:
            self.snapshot = receive_one(submission, step, lone=lone, follow=follow)
        except CannotGrade as error:
            raise Refused(*error.args) from None
        self.source = self.snapshot.source
        self.python = python
        prepare_grader()
        self.workshop = Workshop()
        self.walls.prepare(self.workshop.path)
        self.watch = limits.Watch(self.walls)
        self.leftovers: Leftovers | None = None  # behind walls they are the walls' own business
        if self.walls.name == "none":
            forgo_privileges()
            self.leftovers = Leftovers()
        self.launches: list[Launch] = []
        self.left: list[str] = []  # what could not be ended or removed, in words
        self.most_processes = MOST_PROCESSES
        self.verdicts = Verdicts()
        self.watchers: list[Watcher] = []  # of the step: what must hold in every scene
        self.stage: list[Server] = []  # the servers that the check which runs has used
        self.partial = False  # only some of the lines are judged
        self.seed, self.examples = SEED, EXAMPLES  # of the requests that are made up
        self.notes: list[str] = []  # what the check that runs wants to be said beside its verdict
        try:
            self.root = DocumentRoot(self.workshop.folder("site"))
            self.root.add_outside()
            for folder in (self.root.folder, self.root.path):
                self.workshop.keep(folder)
            (self.workshop.path / "html").symlink_to(self.root.path)  # parents[2] / "html" of every copy
            self.walls.site, self.walls.links = self.root.folder, {self.workshop.path / "html": self.root.path}
            self.walls.give(self.root.folder)
            self.machine = preflight.look(self)
        except BaseException:
            self.close()
            raise

    @property
    def long(self) -> bool:
        return "keepalive" in self.step

    @property
    def todo(self) -> str:
        """The first task of the skeleton that is still open in the learner's file."""
        found = TODO.findall(self.source.decode("utf-8", "replace"))
        return min(found, key=lambda match: int(match[1]))[0] if found else ""

    def copy(self) -> Path:
        """A fresh copy of the step's folder as it was when grading began: the next server starts clean."""
        folder = self.workshop.folder("submission") / self.step
        self.snapshot.write(folder)
        return folder / SERVER

    def launch(self, *arguments: str, script: Path | None = None) -> Launch:
        """Start a server with these arguments and wait for nothing. script: another program in its place."""
        work = self.workshop.folder("work")
        (work / "html").symlink_to(self.root.path)  # for a default that is relative to where one starts it
        clock = Clock(work.with_name(f"{work.name}-clock"))
        launch = Launch(
            self.python,
            script or self.copy(),
            list(arguments),
            work,
            clock,
            most=self.most_processes,
            walls=self.walls,
            leftovers=self.leftovers,
        )
        self.launches.append(launch)
        return launch

    def start(self, *arguments: str, defaults: bool = False) -> Server:
        """Start a server and wait until it listens. Raises Finding if it never does."""
        given = ["--host", "127.0.0.1", "--port", str(self.port()), "--root", str(self.root.path)]
        for name, value in zip(arguments[::2], arguments[1::2], strict=True):
            given[given.index(name) + 1] = value
        if defaults:
            given = []
        server = self.subject(self.launch(*given))
        words = ["python server.py", *given[:2], *["--port PORT --root DIR"] * bool(given)]
        server.did(f"started `{' '.join(words)}`")
        self.wait_for_listener(server)
        return server

    def port(self) -> int:
        """A free port. Raises Finding if our servers hold them all, CannotGrade if others do."""
        try:
            return free_port()
        except CannotGrade:
            held = sum(len(launch.proc.descriptors(pid)) for launch in self.launches for pid in launch.family())
            if held < PORTS_TRIED:
                raise
            raise Finding(
                "a port of 127.0.0.1 for another server", f"none is free; this one has {held} descriptors open"
            ) from None

    def subject(self, launch: Launch) -> Server:
        server = Server(launch, self)
        self.stage.append(server)
        return server

    @staticmethod
    def wait_for_listener(server: Server) -> None:
        """Wait until it listens, and no more: what it opens for a moment on the way is not taken for its listener."""

        resting = Rest(server.launch.proc, server.launch.family, doors.TURNS)

        def listens() -> bool:
            server.launch.listener = found = server.launch.find_listener()
            return found is not None and (server.launch.asked_for(found) or resting.check())

        for _ in range(10):  # one that comes and goes without end is taken as it is
            server.must(
                listens,
                "a socket that listens",
                saw=lambda: "the server ended before it listened" if server.gone() else "no listening socket",
                look_at="which call makes a bound socket a listening one?",
            )
            doors.rest(server)
            server.note_what_it_has()
            if found := doors.find(server):
                server.launch.listener = found
                break
        server.told.clear()

    def end(self, launch: Launch) -> None:
        self.left += [f"{who} could not be ended" for who in launch.end()]
        if launch.multitude:  # the next is ended sooner
            self.most_processes = MOST_PROCESSES // 10
        if launch in self.launches:
            self.launches.remove(launch)

    @contextmanager
    def started(self, *arguments: str, defaults: bool = False) -> Iterator[Server]:
        """A server of a check's own, ended with the check."""
        with self.ended_with(self.start(*arguments, defaults=defaults)) as server:
            yield server

    @contextmanager
    def ended_with(self, server: Server) -> Iterator[Server]:
        """The same with one that has been started."""
        try:
            yield server
            server.leave()
        finally:
            self.end(server.launch)
            server.close_clients()

    def close(self) -> list[str]:
        """End all, remove all. Returns what could not be, in words."""
        for launch in list(self.launches):
            self.end(launch)
        self.watch.stop()
        self.left += [f"{who} could not be ended" for who in end_orphans()]
        self.left += self.leftovers.clear() if self.leftovers else []
        self.walls.close()
        self.left += filter(None, [self.workshop.remove()])
        return self.left


def free_port() -> int:
    """A port of 127.0.0.1 that nobody uses, and that the kernel gives to no client: ip(7), ip_local_port_range.

    The server is told this one, so that its listener is known from whatever else it may listen for. Raises CannotGrade.
    """
    low, high = map(int, Proc().read("sys/net/ipv4/ip_local_port_range").split() or ("32768", "60999"))
    ports = range(10_000, low) if low > 11_000 else range(high + 1, 65_536) if high < 64_000 else range(low, high)
    for _ in range(PORTS_TRIED):
        port = ports[secrets.randbelow(len(ports))]
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise CannotGrade("no port of 127.0.0.1 is free; end what holds them, or grade where it does not run")


class Shared:
    """One server for many checks, as long as each leaves it clean; else a new one for the next."""

    def __init__(self, grading: Grading):
        self.grading = grading
        self.server: Server | None = None
        self.patience = waiting.PATIENCE / 30

    def get(self) -> Server:
        if self.server is None:
            self.server = self.grading.start()
        self.server.begin_story()
        if self.server not in self.grading.stage:
            self.grading.stage.append(self.server)
        return self.server

    def give_back(self, passed: bool) -> None:
        """Keep the server only if the kernel shows that nothing of the last check is left in it."""
        server = self.server
        if server is None:
            return
        server.close_clients()
        clean = passed and not server.spoiled and server.comes(lambda: self.is_clean(server), self.patience)
        if clean:
            server.departed.clear()
            server.kept.used = 0
            return
        if passed:  # one that is left unclean will be so again: what follows starts a new one at once
            self.patience /= 4
        self.drop()

    @staticmethod
    def is_clean(server: Server) -> bool:
        if server.launch.status is not None or not server.listens():
            return False
        clean = all(map(server.forgotten, server.departed)) and server.client_descriptors() == 0
        return clean and len(server.zombies()) < 5

    def drop(self) -> None:
        if self.server is not None:
            self.grading.end(self.server.launch)
            self.server = None


def step_named(text: str) -> str:
    """`5`, `05`, `step05` or `05_nonblocking` -> the step's folder. Raises CannotGrade."""
    digits = text.removeprefix("step").split("_")[0].zfill(2)
    for step in STEPS:
        if step.startswith(digits + "_") and text in (step, *("step" + digits, digits, digits.lstrip("0"))):
            return step
    raise CannotGrade(f"there is no step {text!r}; the steps are 01 to {len(STEPS):02}")
