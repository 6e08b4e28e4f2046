"""The states that clients are in, crossed with what comes: nobody else is delayed, and the watchers look on.

All the states are played at once, since a right server minds none of them. If something is wrong then, they are
played one at a time, and what is told is the state that shows it.
"""

from collections.abc import Callable
from contextlib import nullcontext

from grader import contract, judge
from grader.client import Client, request
from grader.finding import Finding
from grader.subject import Server
from tests.checks import clients, questions

ROOM = 16 << 10  # bytes that a receive buffer takes, whatever else it holds
PART = request("/page1.txt")[:-9]
MUCH = tuple(f"X-Padding-{number}: " + "x" * 400 for number in range(3))
#: What has been answered on a connection before -> the heads that were sent.
BEFORE = {
    "404": request("/nope.txt"),
    "a folder without its slash": request("/sub"),
    "another method": request("/page1.txt", method="DELETE"),
    "no HTTP": b"HELLO\r\n\r\n",
    "an empty file": request("/empty.txt"),
}


def silent(server: Server) -> Client:
    """sent nothing"""
    return server.client()


def part_of_a_head(server: Server) -> Client:
    """sent part of a head"""
    client = server.client()
    client.send(PART)
    return client


def part_and_half_closed(server: Server) -> Client:
    """sent part of a head and shut down its sending side"""
    client = part_of_a_head(server)
    server.settle(lambda: server.has_read(client))
    client.half_close()
    return client


def silent_and_half_closed(server: Server) -> Client:
    """sent nothing and shut down its sending side"""
    client = server.client()
    server.settle(lambda: server.has_read(client))
    client.half_close()
    return client


def part_and_urgent(server: Server) -> Client:
    """sent part of a head and an urgent byte"""
    client = part_of_a_head(server)
    client.send_urgent()
    return client


def stuck(server: Server) -> Client:
    """stopped reading in mid-answer"""
    return clients.stuck_readers(server, 1)[0]


def stuck_and_half_closed(server: Server) -> Client:
    """stopped reading in mid-answer and shut down its sending side"""
    client = stuck(server)
    client.half_close()
    return client


def stuck_with_more_behind(server: Server) -> Client:
    """stopped reading in mid-answer and sent more requests"""
    client = stuck(server)
    client.send(request("/page1.txt") + request("/page2.txt") + PART)
    return client


def stuck_with_much_behind(server: Server) -> Client:
    """stopped reading in mid-answer and sent 99 more requests, more than 100 KiB"""
    client = stuck(server)
    client.send(request("/page1.txt", headers=MUCH) * (contract.MANY - 1))
    return client


def all_in_the_kernel(server: Server) -> Client:
    """asked for 1 MiB and reads none of it: the kernel has room for all"""
    return clients.all_in_the_kernel(server)


def stuck_with_more_and_half_closed(server: Server) -> Client:
    """stopped reading in mid-answer, sent another request and shut down its sending side"""
    client = stuck(server)
    client.send(request("/page1.txt"))
    client.half_close()
    return client


def served(server: Server) -> Client:
    """was served and stayed"""
    client = server.ask("/page1.txt")
    server.serves(client, "/page1.txt")
    return client


def after(name: str) -> Callable[[Server], Client]:
    def state(server: Server) -> Client:
        client = server.client()
        client.send(BEFORE[name])
        server.until(lambda: client.replies or client.ended)
        return client

    state.__doc__ = f"was answered {name} and stayed" if name == "404" else f"asked for {name}, was answered and stayed"
    return state


def part_of_a_second_head(server: Server) -> Client:
    """was served and sent part of a second head"""
    client = served(server)
    client.send(PART)
    return client


def idle_and_half_closed(server: Server) -> Client:
    """was served and shut down its sending side"""
    client = served(server)
    client.half_close()
    return client


def second_part_and_half_closed(server: Server) -> Client:
    """was served, sent part of a second head and shut down its sending side"""
    client = part_of_a_second_head(server)
    server.settle(lambda: server.has_read(client))
    client.half_close()
    return client


STATES = (
    silent,
    part_of_a_head,
    part_and_urgent,
    part_and_half_closed,
    silent_and_half_closed,
    stuck,
    stuck_and_half_closed,
    stuck_with_more_behind,
    stuck_with_much_behind,
    stuck_with_more_and_half_closed,
    all_in_the_kernel,
    served,
    *(after(name) for name in BEFORE),
)
LONG = (part_of_a_second_head, second_part_and_half_closed, idle_and_half_closed)
NOT_READING = {
    *(stuck, stuck_and_half_closed, stuck_with_more_behind, stuck_with_much_behind, stuck_with_more_and_half_closed),
    all_in_the_kernel,
}

State = Callable[[Server], Client]


def others_are_served(server: Server, *, alone: bool = False) -> None:
    """In all the states in which clients still read. alone: in step 1 nobody is served beside them."""
    if alone:
        return
    cross(server, [state for state in all_of(server) if state not in NOT_READING])


def others_are_served_beside_readers(server: Server, *, alone: bool = False) -> None:
    """In all the states in which clients have stopped reading."""
    if alone:
        return
    cross(server, [state for state in all_of(server) if state in NOT_READING])


def all_of(server: Server) -> tuple[State, ...]:
    return STATES + LONG * server.long


def cross(server: Server, states: list[State]) -> None:
    """All at once; if that fails, each by itself, for the one that shows the same."""
    try:
        for leave in (Client.close, Client.reset):
            play(server, states, leave)
    except Finding as finding:
        for state in states:
            alone(server, state, finding)
        raise


def alone(server: Server, state: State, finding: Finding) -> None:
    """Raise the same finding, if one client in this state is enough to show it."""
    with server.grading.started() as other:
        try:
            for leave in (Client.close, Client.reset):
                play(other, [state], leave)
        except Finding as same:
            if (same.costs, same.rule) == (finding.costs, finding.rule):
                raise
            other.close_clients()


def play(server: Server, states: list[State], leave: Callable[[Client], None]) -> None:
    """Clients come into these states; others come; the first ones leave, and others come again."""
    words = "; ".join(f"one {state.__doc__}" for state in states)
    server.did(f"clients: {words}", again=True)
    crowd = [state(server) for state in states]
    server.come_to_rest()
    comes(server)
    server.watch("over")  # for those who came, while these stay
    if leave is Client.close:
        read_on(server, crowd)
    verb = "closed" if leave is Client.close else "reset"
    server.did(f"then {'they all' if len(crowd) > 1 else 'that one'} {verb} the connection")
    for client in crowd:
        server.check(client)
        leave(client)
    server.leave()
    server.settle(lambda: all(map(server.forgotten, server.departed)))
    server.come_to_rest()
    with server.at_the_cost_of("goes_on"):
        comes(server)


def read_on(server: Server, crowd: list[Client]) -> None:
    """Who had stopped reading gets all that is to come; who has half-closed need not, beyond the buffers, nor one with
    more behind than the kernel has room for: one who peeks at half a head leaves no room for its other half."""
    readers = [client for client in crowd if not (client.reading or client.half_closed or len(client.sent) > ROOM)]
    if not readers:
        return
    server.did("then who had stopped reading read on")
    for client in readers:
        client.open_window()
    for client in readers:
        number = contract.expected(judge.exchange(server, client))
        ends = judge.is_to_end(server, client)

        def has_all(client: Client = client, number: int = number, ends: bool = ends) -> object:
            return client.ended or client.malformed or (len(client.replies) >= number and not ends)

        expected = f"{number} answers" if number > 1 else "the whole answer"
        expected += f" for {client.name}" + ", then the end of the stream" * ends
        line = "pipelined_slowly" if number > 1 else "slow_reader"
        server.must(has_all, expected, clients=[client], look_at=questions.QUEUE, costs=line)
        server.check(client, over=True)
    server.come_to_rest()


def comes(server: Server) -> None:
    """Another client, and then several at the same moment."""
    server.did("then another client came and asked")
    client = server.ask("/small.bin")
    server.serves(client, "/small.bin", look_at=questions.ALONE)
    server.leave(client)
    server.did("then three came at once and asked")
    # A thread that peeks with SO_RCVLOWAT is woken by a stop, and may take that for the end of the stream.
    alone = len(server.launch.proc.numbers(server.main, "task")) == 1
    with server.stopped() if alone else nullcontext():
        crowd = [server.client(wait=False) for _ in range(3)]
        for number, client in enumerate(crowd):
            client.send(request(f"/page{number}.txt"))
    for number, client in enumerate(crowd):
        server.serves(client, f"/page{number}.txt", look_at=questions.ALONE)
        server.leave(client)
