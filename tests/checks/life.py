"""Section 1 of the contract: how a server is started and stopped."""

import secrets
import signal
import socket

from grader import waiting
from grader.finding import Finding
from grader.grading import Grading
from grader.kernel import TIME_WAIT
from grader.subject import Server
from grader.turns import turn
from grader.words import plural
from tests.checks import questions, ways


def answers(grading: Grading, nonblocking: bool = False) -> None:
    """nonblocking: whether the step's calls do not wait."""
    look_at = questions.FIRST_ANSWER_AT_ONCE if nonblocking else questions.FIRST_ANSWER
    with grading.started() as server:
        server.did("started it, and nobody came")
        server.come_to_rest()  # before anybody has ever come: the watchers look
        server.did("asked for /")
        server.serves(server.ask("/"), "/", look_at=look_at)


def own_address() -> str:
    """A loopback address that nobody else uses: no port on it is ever taken."""
    return ".".join(["127", *(str(1 + secrets.randbelow(250)) for _ in range(3))])


def command_line(grading: Grading) -> None:
    host, port = own_address(), str(20000 + secrets.randbelow(10000))
    with grading.started("--host", host, "--port", port, "--root", "html/") as server:
        server.did(f"started it with --host {host} --port {port} --root html/: a relative path, to a link")
        address, given = server.listener.address
        if given != int(port) or address not in (host, f"::ffff:{host}"):
            server.fail(f"a listener at {host}:{port}", f"it listens at {address}:{given}", look_at=questions.WHERE)
        server.serves(server.ask("/page1.txt"), "/page1.txt", look_at=questions.ROOT)
    any_port(grading)
    defaults(grading)


def any_port(grading: Grading) -> None:
    """`--port 0` takes any free port: which of its listeners is the server's, it says by serving the site there."""
    twin = grading.root.twin()
    with grading.started("--port", "0", "--root", str(twin)) as server:
        server.did(f"started it with --port 0 and a root whose name is {twin.name!r}")
        server.serves(server.ask("/page1.txt"), "/page1.txt", look_at=questions.WHERE)


def defaults(grading: Grading) -> None:
    """Without arguments: 127.0.0.1, port 7890, the folder html/. One grader at a time, and only if it is free.

    A connection that somebody has left there in TIME_WAIT is in the way of a server without SO_REUSEADDR alone, which
    is another line's business. Our own client leaves none.
    """
    with turn("port-7890", waiting.PATIENCE / 3) as ours:
        if not ours or not is_free(7890):
            grading.notes.append("port 7890 is in use on this machine, so the default port was not tried")
            return
        try:
            started = grading.start(defaults=True)
        except Finding as finding:
            in_time_wait = "in use" in finding.printed and not is_free(7890, reuse=False)
            if in_time_wait or held_by_others(grading, 7890):  # who came between our look and the server's
                grading.notes.append("port 7890 was taken on this machine, so the default port was not tried")
                return
            raise
        with grading.ended_with(started) as server:
            server.did("started it without any argument")
            address, port = server.listener.address
            if port != 7890 or address not in ("127.0.0.1", "::ffff:127.0.0.1"):
                server.fail("a listener at 127.0.0.1:7890", f"it listens at {address}:{port}", look_at=questions.WHERE)
            server.did("asked for a page of the folder html/ where it was started")
            client = server.ask("/page1.txt")
            server.serves(client, "/page1.txt", look_at=questions.ROOT)
            client.reset()


def held_by_others(grading: Grading, port: int) -> bool:
    """Whether somebody listens there who is none of our servers."""
    ours = {
        target
        for launch in grading.launches
        for pid in launch.family()
        for target in launch.proc.descriptors(pid).values()
    }
    rows = grading.launches[-1].sockets.listeners() if grading.launches else []
    return any(row.address[1] == port and f"socket:[{row.inode}]" not in ours for row in rows)


def is_free(port: int, *, reuse: bool = True) -> bool:
    """Whether a server could listen there; reuse: one that sets SO_REUSEADDR, as it should."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def survivors(server: Server) -> str:
    """Who is still there after a signal to end."""
    living = server.living().keys()
    if living == {server.main}:
        return "the main process is still there"
    main = "the main one among them" if server.main in living else "and the main one has ended"
    return f"{plural(len(living), 'process')} still there, {main}"


def all_kinds(server: Server) -> None:
    """Clients have come and left in most of the ways that there are, but for those that it is known not to bear."""
    lost = server.verdicts.lost
    some = () if lost & ways.LEFT else ways.VANISHED + ways.IN_ANSWER
    these = [way for way in (*ways.SERVED, *some) if not way.dear]
    at_once = 1 if server.grading.step.startswith("01") else len(these)
    with server.blaming("goes_on"):
        ways.play(server, these, at_once)
    server.settle(lambda: server.client_descriptors() == 0)


def stops(grading: Grading, number: signal.Signals, served: bool, *, group: bool = False) -> bool:
    """A signal ends the server, without a traceback; `served`: it has served a client before. group: it is sent to
    the whole process group, as by a terminal. Returns whether there were more processes than the main one."""
    with grading.started() as server:
        if served:
            all_kinds(server)
        server.come_to_rest()
        before = "clients had been served, or had left before" if served else "none had come"
        whom = "the whole process group, as a terminal does" if group else "the main process"
        server.did(f"sent {number.name} to {whom}; no client was in service, {before}")
        server.printed_before = server.launch.output.printed()
        others = len(server.living()) > 1
        if group:
            server.launch.signal(number, group=True)  # at rest: nobody has stopped it
        else:
            server.end_by(number)
        server.must(
            server.gone,
            "the end of every process of the server",
            saw=lambda: survivors(server),
            look_at="what becomes of the signal, and what goes on as if there had been none?",
        )
        server.settle(lambda: not server.launch.family())
        server.launch.end()
        if "Traceback (most recent call last)" in server.launch.output.text(server.printed_before):
            server.fail("an end without a traceback", "a traceback was printed")
        return others


def stops_on_signals(grading: Grading) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        for served in (False, True):
            if stops(grading, number, served) and number == signal.SIGINT:
                stops(grading, number, served, group=True)


def restarts(grading: Grading) -> None:
    host = own_address()
    with grading.started("--host", host) as server:
        all_kinds(server)
        server.did("then one client was served, and the server closed its connection")
        client = server.ask("/page1.txt", headers=("Connection: close",))
        server.serves(client, "/page1.txt")
        server.settle(lambda: client.ended)
        client.close()
        server.settle(lambda: (row := server.row(client)) is None or row.state == TIME_WAIT)
        port = str(server.listener.address[1])
        server.end_by(signal.SIGTERM)
        server.until(server.gone)
        story = list(server.told)
    started_again(grading, host, port, story)


def started_again(grading: Grading, host: str, port: str, story: list[str]) -> Server:
    """Demand that a new server listens on the port of one that has just ended."""
    launch = grading.launch("--host", host, "--port", port, "--root", str(grading.root.path))
    server = grading.subject(launch)
    server.told = [*story, "the server was ended, and another started on the same port at once"]
    grading.wait_for_listener(server)
    server.serves(server.ask("/page2.txt"), "/page2.txt")
    return server
