"""Measure: start a server, look whether it answers right, put the load on it, end it."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import CannotMeasure, load
from bench.floor import constant
from bench.plan import file_name
from bench.result import Cell, Run
from bench.servers import LONG, Place
from bench.usage import foreign, usage
from grader import patience_factor
from grader.launch import Launch, end_orphans, prepare_grader
from grader.report.text import in_a_line
from grader.workshop import Workshop

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE = 20.0  # seconds until a server listens, and until it answers
PINNED = Path(__file__).with_name("pinned.py")


def pair() -> tuple[int, int]:
    """The server's processor and the load's: the first two that we may use; one for both if there is no second."""
    mine = sorted(os.sched_getaffinity(0))
    return mine[0], mine[1 % len(mine)]


@contextmanager
def held() -> Iterator[None]:
    """A signal that comes now comes afterwards: what is begun has a name by then, and will be ended."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Measurer:
    """What lasts for a run of the bench. `close` ends whatever runs and removes every file."""

    def __init__(self, python: str, clients: int, seconds: int, processors: tuple[int, int]):
        self.python, self.clients, self.seconds = python, clients, seconds
        self.server_processor, load_processor = processors
        self.processors = set(processors)
        self.launch: Launch | None = None
        prepare_grader()
        os.sched_setaffinity(0, {load_processor})  # wrk's too, then
        self.workshop = Workshop()
        self.root = self.workshop.folder("site")

    def close(self) -> None:
        self.end()
        end_orphans()
        self.workshop.remove()

    def end(self) -> None:
        if self.launch:
            self.launch.end()
            self.launch = None

    def measure(self, cell: Cell, number: int, again: bool = False) -> Run:
        """Round `number` of a cell. Raises CannotMeasure with what is wrong with the server."""
        content = constant(cell.size)
        path = self.root / file_name(cell.size)
        if not path.exists():
            path.write_bytes(content)
        try:
            port = self.start(cell)
            if wrong := why_wrong(port, path.name, content, cell.mode == LONG):
                raise CannotMeasure(f"{wrong}{self.printed()}")
            run = self.loaded(cell, f"http://127.0.0.1:{port}/{path.name}", number, again)
            if wrong := why_wrong(port, path.name, content, cell.mode == LONG):  # wrk looks at no body
                raise CannotMeasure(f"after {run.requests} answers {wrong}")
            return run
        finally:
            self.end()

    def start(self, cell: Cell) -> int:
        """Start the cell's server; return the port that it listens on."""
        folder = self.workshop.folder("work")
        place = Place(self.python, free_port(), self.root, folder, cell.size, cell.mode)
        command = [str(self.server_processor), *cell.server.command(place)]
        with held():
            self.launch = Launch(sys.executable, PINNED, command, folder)
        end = time.monotonic() + PATIENCE * patience_factor()
        while time.monotonic() < end and self.launch.status is None:
            if listener := self.launch.find_listener():
                return listener.address[1]
            time.sleep(0.005)
        raise CannotMeasure(f"it did not listen{self.printed()}")

    def printed(self) -> str:
        """The last line that a server has printed that did not do what it should; it may be about to end."""
        assert self.launch
        try:
            self.launch.popen.wait(1)
        except subprocess.TimeoutExpired:
            pass
        lines = self.launch.output.text().strip().splitlines()
        return f"; it printed: {in_a_line(lines[-1])}" if lines else ""

    def loaded(self, cell: Cell, url: str, number: int, again: bool) -> Run:
        assert self.launch
        before = usage(self.launch, self.processors)
        counted = load.run(url, self.clients, self.seconds, cell.mode == LONG)
        after = usage(self.launch, self.processors)
        if self.launch.status is not None:
            raise CannotMeasure(f"it ended under the load, status {self.launch.status}{self.printed()}")
        return Run(
            number,
            again,
            counted.requests,
            counted.seconds,
            counted.bytes,
            counted.p50,
            counted.p99,
            after.server - before.server,
            after.load - before.load,
            foreign(before, after, len(self.processors)),
            counted.errors,
        )


def free_port() -> int:
    """One that nobody has at this moment: not everybody takes port 0 for that."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def why_wrong(port: int, name: str, content: bytes, long: bool) -> str:
    """Why the server cannot be measured, asked once, or twice on one connection; "" if all is well."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE * patience_factor())
    try:
        for _ in range(2 if long else 1):
            connection.request("GET", f"/{name}", headers={} if long else {"Connection": "close"})
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                return f"it answered {answer.status} for /{name}"
            if body != content:
                what = "others than those" if len(body) == len(content) else f"and not the {len(content)}"
                return f"it answered {len(body)} bytes, {what} of /{name}"
            if long and answer.will_close:
                return "it closes the connection after an answer"
    except (OSError, http.client.HTTPException) as error:
        return f"it did not answer: {error or type(error).__name__}"
    finally:
        connection.close()
    return ""
