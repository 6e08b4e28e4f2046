"""Section 5 of the contract, last sentence but one: what holds of the server in every scene, whatever it is about.

A watcher is asked whenever a scene has let the server come to rest, and once more when the scene is over. It knows
the line of the rubric that it costs. What it cannot see, it does not pass: it has nobody to look at then, and the
line's own scene sees to it that there is somebody.
"""

from grader.client import Client
from grader.contract import plausible
from grader.kernel import ESTABLISHED
from grader.subject import Server
from grader.verdicts import Watcher
from grader.words import plural
from tests.checks import model, questions

LOOKS = 5  # at a thread that goes round
MOST_LOOKED_AT = 60  # clients: of a crowd the first are enough


def in_service(server: Server) -> list[Client]:
    """Clients that the server has accepted and that wait for it, or it for them."""
    found = []
    for client in server.clients[:MOST_LOOKED_AT]:
        row = server.row(client)
        accepted = row and row.inode and row.state == ESTABLISHED and not client.ended
        if accepted and (len(client.replies) < client.asked or is_stalled(server, client)):
            found.append(client)
    return found


def is_stalled(server: Server, client: Client) -> bool:
    """Whether it has sent a part of a head, or nothing, may yet send the rest, and has no answer to wait for."""
    if client.half_closed or client.outbox or (client.replies and not server.long):
        return False
    return len(client.replies) == client.asked and plausible(bytes(client.sent).rpartition(b"\r\n\r\n")[2])


def one_process(line: str) -> Watcher:
    def one_process(server: Server) -> None:
        model.one_process(server, line)

    return Watcher(line, "rest", one_process)


def one_thread(server: Server) -> None:
    model.one_process(server)
    model.one_thread(server)


def no_passing_help(line: str) -> Watcher:
    """A process, or in a step of one thread a thread, that has come and gone meanwhile."""

    def no_passing_help(server: Server) -> None:
        if server.passing_children() > 0:
            look_at = "which call makes a process for a moment, and what for?"
            server.fail("one process", "a child that was made and has ended meanwhile", look_at=look_at, costs=line)
        if line == "one_thread" and server.passing_threads() > 0:
            look_at = "which call makes a thread for a moment, and what for?"
            server.fail("one thread", "a thread that was made and has ended meanwhile", look_at=look_at, costs=line)

    return Watcher(line, "over", no_passing_help)


def few_threads(server: Server) -> None:
    if (count := len(server.tasks())) > server.threads_before + model.HELPERS:
        server.fail(
            "the number of threads does not grow with clients",
            f"{plural(server.threads_before, 'thread')} before the first client, {count} now",
            look_at="who runs the code for a client: a greenlet, or a thread?",
            costs="one_os_thread",
        )


def closes_at_once(server: Server) -> None:
    """One thread for all does not wait in close() until a client has read: socket(7), SO_LINGER, O_NONBLOCK or not."""
    task = server.launch.proc.task(server.main, server.main)
    if task and (task.state, task.call) == ("S", "close") and (client := closing(server)):
        after = server.launch.proc.task(server.main, server.main)
        if after and (after.state, after.call, after.switches) == ("S", "close", task.switches):
            saw = f"the thread asleep in close, until {client.name} has read"
            server.fail("close() waits for nobody", saw, look_at=questions.LINGER, costs="stalled_readers")


def closing(server: Server) -> Client | None:
    """A client whose connection some close() has taken out of the table of descriptors, and not yet let go of."""
    for client in (*server.clients[:MOST_LOOKED_AT], *server.departed[-MOST_LOOKED_AT:]):
        row = server.row(client)
        if row and row.inode and row.state != ESTABLISHED and not server.holders(client):
            return client
    return None


def nonblocking(server: Server) -> None:
    inodes = {row.inode: client.name for client in server.clients[:MOST_LOOKED_AT] if (row := server.row(client))}
    inodes.pop(0, None)
    model.blocking_socket(server, inodes | {server.listener.inode: "the listener"})


def asks_in_turn(server: Server) -> None:
    for _ in range(LOOKS):
        model.not_in_turn(server)
        server.pump(0.001)


def sleeps_in_epoll(server: Server) -> None:
    model.must_sleep_in_epoll(server)


def watched(server: Server) -> None:
    """Whoever stalls is watched."""
    rows = {
        client: row
        for client in in_service(server)
        if is_stalled(server, client) and (row := server.row(client)) and row.inode
    }
    targets = model.watched(server)
    for client, row in rows.items():
        if row.inode not in targets and server.row(client) == row and row.inode not in model.watched(server):
            server.fail(
                f"an epoll descriptor watches {client.name}, {client.deeds()}",
                "none does",
                clients=[client],
                look_at=questions.WATCHED,
                costs="watches",
            )


def uses_no_cpu(server: Server) -> None:
    """With no client, and in whatever state they are."""
    state = model.state_of_clients(server)
    line, when = model.rest_line(server)
    if state not in server.verdicts.rested and server.verdicts.judges(line, "uses_no_cpu"):
        model.at_rest(server, when, costs=line)
        server.verdicts.rested.add(state)


def held_by_a_child_alone(server: Server) -> None:
    for client, pids in server.all_holders(in_service(server)):
        if server.main in pids and len(pids) > 1 and server.main in (now := server.holders(client)) and len(now) > 1:
            server.fail(
                "a child holds the client's socket, and the parent does not",
                f"{client.name}'s socket is held by {model.holders_text(server, client)}",
                clients=[client],
                look_at="how many descriptors refer to this connection after a fork, and whose are they?",
                costs="parent_lets_go",
            )


def a_process_each(server: Server) -> None:
    crowd = in_service(server)
    apart = model.served_apart(server, crowd)
    if len(apart) < len(crowd):
        server.fail(
            f"{len(crowd)} clients in service, each with a process of its own",
            f"a process of its own for {len(apart) or 'none'} of {len(crowd)} clients",
            look_at=questions.APART,
            costs="own_processes",
        )


def a_thread_each(server: Server) -> None:
    crowd = in_service(server)
    if len(server.tasks()) < len(crowd):
        server.fail(
            f"a thread for each of {len(crowd)} clients in service",
            f"{plural(len(server.tasks()), 'thread')} in all",
            look_at="which thread reads from the second client while the first one stalls?",
            costs="own_threads",
        )


def forgets_everyone(server: Server) -> None:
    """Nothing of those who have left is held any more. Whoever may still let go of it by himself is not judged."""

    def kept() -> list[Client]:
        return [client for client in server.departed if not server.forgotten(client)]

    if server.comes(lambda: not kept(), 1) or not server.asleep_for_good() or not (left := kept()):
        return
    line = line_of_leaving(server, left[0])
    if server.verdicts.judges(line, "forgets_everyone"):
        server.fail(
            f"nothing left of {left[0].name}, {left[0].deeds()}",
            f"its socket is still open: {server.holder_of(left[0])}",
            look_at=questions.OPENED["sockets"],
            costs=line,
        )


def line_of_leaving(server: Server, client: Client) -> str:
    """The line that says what becomes of a client who left like this."""
    if len(client.replies) < client.asked:
        return "reset_in_answer"
    if not client.replies or client.part:
        return "vanishing"
    return "forgets_idle" if server.long and not client.ended else "no_leak"


CLOSES_AT_ONCE = Watcher("stalled_readers", "rest", closes_at_once)  # before those that wait until it is over
EVERYWHERE = (Watcher("", "over", forgets_everyone),)
ALONE = (
    *EVERYWHERE,
    Watcher("one_thread", "rest", one_thread),
    Watcher("one_thread", "over", one_thread),
    no_passing_help("one_thread"),
)
IN_TURN = (
    CLOSES_AT_ONCE,
    *ALONE,
    Watcher("nonblocking", "rest", nonblocking),
    Watcher("in_turn", "rest", asks_in_turn),
)
IN_EPOLL = (
    CLOSES_AT_ONCE,
    *ALONE,
    Watcher("sleeps_in_epoll", "rest", sleeps_in_epoll),
    Watcher("watches", "rest", watched),
    Watcher("", "rest", uses_no_cpu),
    Watcher("", "over", uses_no_cpu),
)
IN_CHILDREN = (
    *EVERYWHERE,
    Watcher("parent_lets_go", "rest", held_by_a_child_alone),
    Watcher("own_processes", "rest", a_process_each),
)
IN_THREADS = (
    *EVERYWHERE,
    one_process("own_threads"),
    no_passing_help("own_threads"),
    Watcher("own_threads", "rest", a_thread_each),
)
IN_GREENLETS = (
    CLOSES_AT_ONCE,
    *EVERYWHERE,
    one_process("one_os_thread"),
    no_passing_help("one_os_thread"),
    Watcher("one_os_thread", "rest", few_threads),
)
