"""Section 1 of the contract: how a server is started and stopped."""

import secrets
import signal
import socket
import time

from grader import waiting
from grader.client import request
from grader.grading import Grading
from grader.kernel import TIME_WAIT
from grader.launch import Clock
from grader.proof import timeout_of
from grader.subject import Server

HALF = 20  # bytes of a request head


def answers(grading: Grading) -> None:
    with grading.started() as server:
        server.did("asked for /")
        server.serves(server.ask("/"), "/", look_at="does it accept, read, answer?")


def patience(grading: Grading, goal: float = 55) -> None:
    """The server's clock is set forward, and what timers the kernel shows are waited for.

    A server may give up a client after 60 s: one that does so by its own clock is right, and is not judged.
    """
    clock = Clock(grading.workshop.path / "clock")
    server = grading.start(clock=clock)
    server.did(f"a client sent half a request, and was silent for {goal:.0f} s by the server's clock")
    client = server.client()
    client.send(request("/page1.txt")[:HALF])
    began = time.monotonic()
    server.settle(lambda: server.has_read(client))
    timers = [timeout_of(server.launch.proc, task) for task in server.tasks() if task.state == "S"]
    for seconds in sorted({limit for limit in (*timers, clock.alarm) if 0.2 < limit < goal}):
        server.wait_out(lambda: client.ended, seconds + 1 - (time.monotonic() - began))
    ahead = max(0.0, goal - (time.monotonic() - began))
    if not client.ended:
        clock.advance(ahead)
        server.come_to_rest()
    if not client.ended or time.monotonic() - began + ahead < 60:
        client.send(request("/page1.txt")[HALF:])
        server.serves(client, "/page1.txt", look_at="after how long is a silent client given up?")


def own_address() -> str:
    """A loopback address that nobody else uses: no port on it is ever taken."""
    return ".".join(["127", *(str(1 + secrets.randbelow(250)) for _ in range(3))])


def command_line(grading: Grading) -> None:
    host, port = own_address(), str(20000 + secrets.randbelow(10000))
    with grading.started("--host", host, "--port", port) as server:
        server.did(f"asked for a file at {host}:{port}")
        address, given = server.launch.listener.address
        if given != int(port) or address not in (host, "0.0.0.0", "::", f"::ffff:{host}"):
            server.fail(f"a listener at {host}:{port}", f"it listens at {address}:{given}")
        server.serves(server.ask("/page1.txt"), "/page1.txt")
    defaults(grading)


def defaults(grading: Grading) -> None:
    """Without arguments: 127.0.0.1, port 7890, the folder html/. One grader at a time, and only if it is free."""
    with socket.socket(socket.AF_UNIX) as lock:
        waiting.wait_for(lambda: takes(lock, "\0eight-servers-7890"))
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if not takes(probe, ("127.0.0.1", 7890)):
                grading.notes.append("port 7890 is in use on this machine, so the default port was not tried")
                return
        with grading.started(defaults=True) as server:
            address, port = server.launch.listener.address
            if port != 7890 or address not in ("127.0.0.1", "0.0.0.0", "::", "::ffff:127.0.0.1"):
                server.fail("a listener at 127.0.0.1:7890", f"it listens at {address}:{port}")
            server.did("asked for a page of the default root")
            server.serves(server.ask("/page1.txt"), "/page1.txt", look_at="which folder is served by default?")


def takes(sock: socket.socket, address: str | tuple[str, int]) -> bool:
    try:
        sock.bind(address)
    except OSError:
        return False
    return True


def stops(grading: Grading, number: signal.Signals, served: bool) -> None:
    """A signal ends the server, without a traceback; `served`: it has served a client before."""
    with grading.started() as server:
        if served:
            server.get("/page1.txt")
            server.settle(lambda: server.client_descriptors() == 0)
        server.come_to_rest()
        server.did(f"sent {number.name} to the main process; no client was in service")
        server.printed_before = server.launch.output.total
        server.launch.signal(number)
        server.must(
            server.gone,
            "the end of every process of the server",
            saw=lambda: f"{len(server.living())} live on",
        )
        server.settle(lambda: not server.launch.family())
        server.launch.end()
        if "Traceback (most recent call last)" in server.launch.output.text(server.printed_before):
            server.fail(
                "an end without a traceback",
                "a traceback was printed",
                look_at="who catches KeyboardInterrupt?",
            )


def stops_on_signals(grading: Grading) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        for served in (False, True):
            stops(grading, number, served)


def restarts(grading: Grading) -> None:
    host = own_address()
    with grading.started("--host", host) as server:
        client = server.ask("/page1.txt", headers=("Connection: close",))
        server.serves(client, "/page1.txt")
        server.settle(lambda: client.ended)
        client.close()
        server.settle(lambda: (row := server.row(client)) is None or row.state == TIME_WAIT)
        port = str(server.launch.listener.address[1])
        server.launch.signal(signal.SIGTERM)
        server.until(server.gone)
        story = list(server.told)
    started_again(grading, host, port, story)


def started_again(grading: Grading, host: str, port: str, story: list[str]) -> Server:
    """Demand that a new server listens on the port of one that has just ended."""
    launch = grading.launch("--host", host, "--port", port, "--root", str(grading.root.path))
    server = Server(launch, grading.root, long=grading.long)
    server.told = [*story, "served a client, ended the server, and started another on the same port at once"]
    grading.wait_for_listener(server)
    server.serves(server.ask("/page2.txt"), "/page2.txt")
    return server
