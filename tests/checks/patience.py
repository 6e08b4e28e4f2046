"""The contract on time: who is silent may be given up after a minute, and nobody else; an idle server goes on.

The server's clock is set forward (grader.clock.Clock), and what timers the kernel shows are waited for.
"""

import functools
from collections.abc import Callable
from contextlib import nullcontext
from typing import NamedTuple

from grader.client import Client, request
from grader.finding import CannotGrade, Finding
from grader.grading import Grading
from grader.subject import Server
from grader.timers import FOREVER, has_timers, running
from grader.words import plural
from tests.checks import census, clients, long, model, questions, ways

Scene = Callable[..., None]

MINUTE, HOUR = 60.0, 3600.0  # seconds
SOON = 52.0  # seconds: most of it, so that a slow machine has the rest
STEP = 48.0  # seconds between two acts of one who is busy: less than that of SOON
BEFORE_HIM = 40.0  # seconds: what was to ring for one who left before them rings for who is silent now
GIVEN = 3 * STEP  # seconds: more than two minutes
MANY = 80  # acts: more than an hour of them
FEW = 4  # more than two minutes of them
ROUNDS = 5  # of silent clients, who leave more behind each time
FULL = 4  # steps in which the server comes to rest; in the others it acts when the client does
LOOK = 7.0  # seconds: one who wakes as often as that looks around; what takes longer is meant for something
PIECE = 2 << 20  # bytes of an answer: so many that the server has room for more when they are read
HALF = 20  # bytes of a request head
TARGET = "/page2.txt"
AFTER = "after how long is a silent client given up?"
MANY_SILENT = "after how long is a silent client given up, and does it matter how many there are?"
TOO_SLOW = "the machine was too slow to tell whether a client is given up too early"
WHOSE = "whose time is over here, and what becomes of the time of a client that has left?"
GONE = "what becomes of the others when one client is given up?"
LATE = "of whom does the loop know that he is there, when it comes to what he has sent?"
KEPT = "what is done with the socket of a client that is given up: is it shut down, forgotten, closed?"
LEFT = "vanishing"  # the line
TWO_CLOCKS = "it goes by a clock that the grader cannot set forward: whether a client is given up too early is not seen"
UNTOLD = "this machine does not tell SO_RCVTIMEO, SO_SNDTIMEO and TCP_USER_TIMEOUT (pidfd_getfd): they were not seen"
SINCE = "since when is a client silent that has sent or taken something?"


class Silence(NamedTuple):
    """A state in which a client falls silent. asked: for what it was served before, if it was."""

    words: str
    sent: int = 0  # bytes of a head
    reads: bool = True
    asked: bytes = b""

    @property
    def served(self) -> bool:
        return bool(self.asked)


#: One of each kind.
SILENCES = (
    Silence("sent half a request", HALF),
    Silence("sent nothing"),
    Silence("stopped reading a large answer", reads=False),
)
#: What leaves a long connection open, and may take a path of its own through the code.
BEFORE = {
    **{sent: words for sent, words in model.KINDS.items() if sent.startswith(b"GET ") and b".." not in sent},
    request("/page1.txt", version="1.0", headers=("Connection: keep-alive",)): "/page1.txt by HTTP/1.0, kept alive",
}
SERVED = Silence("was served", asked=request(TARGET))
IDLE = tuple(
    Silence(f"was answered when it asked for {words}, and {then}", sent, asked=asked)
    for asked, words in BEFORE.items()
    for sent, then in ((0, "asked for nothing more"), (HALF, "sent half of its next request"))
)


def by_one_clock(scene: Scene) -> Scene:
    """What fails is not judged if the server goes by two clocks, of which only one has been set forward."""

    @functools.wraps(scene)
    def judged(stage: Server | Grading, **scale: bool) -> None:
        try:
            scene(stage, **scale)
        except Finding:
            grading = grading_of(stage)
            if not mixes_clocks(grading):
                raise
            grading.notes.append(TWO_CLOCKS)

    return judged


def grading_of(stage: Server | Grading) -> Grading:
    return stage.grading if isinstance(stage, Server) else stage


def mixes_clocks(grading: Grading) -> bool:
    """Whether it gives up a client for whom no time has passed, if its clock was set forward before he came.

    Who does so with the first alone has slept over it, as it would over a real hour: that is judged.
    """
    stage, line = list(grading.stage), grading.verdicts.line
    grading.verdicts.line = ""  # what fails here belongs to no check
    try:
        given_up = gives_up_after(grading, HOUR)
        return given_up != [True, False] and any(given_up) and not any(gives_up_after(grading, 0))
    except (Finding, CannotGrade):
        return False
    finally:
        grading.stage[:], grading.verdicts.line = stage, line


def gives_up_after(grading: Grading, seconds: float) -> list[bool]:
    """Whether it gives up one who comes then; and another right behind him, if it slept without a time-out before."""
    with grading.started() as server:
        server.come_to_rest()
        sleeps = sleeps_for_ever(server)
        pass_time(server, seconds)
        given_up = []
        for _ in range(2 if sleeps else 1):
            client = silent_client(server, SILENCES[0])
            assert client
            server.wait_out(client.over, 1.5)  # once a second one looks around
            given_up.append(client.over() and not server.gone())
        return given_up


@by_one_clock
def patience(grading: Grading, count: int = 0, *, alone: bool = False) -> None:
    """count: how many fall silent together. alone: the step serves one client at a time, so each kind of silence has
    a server of its own.
    """
    if not grading.machine.tells_timeouts:
        grading.notes.append(UNTOLD)
    kinds = [*SILENCES, *IDLE * grading.long]
    parts = [[kind] for kind in kinds] if alone else [kinds]
    for part in parts:
        with grading.started() as server:
            silence(server, part, alone=alone)
            if part is parts[-1]:
                activity(server)
                heirs(server, alone=alone)
                if count:
                    crowd(server, count)


def heirs(server: Server, *, alone: bool) -> None:
    """Who comes when others have left has a whole minute of his own, though he has the descriptor of one of them."""
    come_and_leave(server, alone=alone)
    pass_time(server, BEFORE_HIM)
    kinds = list(SILENCES[: 1 if alone else 2])
    silence(server, kinds, alone=alone, before=f"clients left in mid-request, and {BEFORE_HIM:.0f} s passed; ")


def crowd(server: Server, count: int = 200) -> None:
    """However many they are, each has his minute."""
    server.told = [f"{count} clients sent part of a request, or nothing, and were silent for {SOON:.0f} s"]
    began = server.clock.now
    silent = [client for client, _, _ in clients.stalled(server, count)]
    pass_time(server, max(0.0, SOON - (server.clock.now - began)))
    ended = [client for client in silent if client.ended]
    if server.clock.now - began >= MINUTE:
        server.notes.append(TOO_SLOW)
    elif ended:
        saw = f"{len(ended)} of {count} connections ended"
        server.fail("none of them is given up", saw, clients=ended[:1], look_at=MANY_SILENT, costs="patience")
    server.leave()


def come_and_leave(server: Server, *, alone: bool) -> None:
    """In mid-request, and in mid-answer; the first descriptors are of those who sent half a head, and so is the last
    client of a server of one at a time."""
    lost = server.verdicts.lost
    some = [] if lost & ways.LEFT else [*ways.HALVES, *ways.ZEROS, *(way for way in ways.IN_ANSWER if not way.dear)]
    with server.blaming("goes_on"):
        ways.play(server, some[::-1] if alone else some, 1 if alone else len(some))
    server.settle(lambda: server.client_descriptors() == 0)


def silence(server: Server, kinds: list[Silence], goal: float = SOON, *, alone: bool = False, before: str = "") -> None:
    """A server may give up a client after 60 s, an idle one after the time-out that it has stated: one that
    does so by its own clock is right, and is not judged. alone: meanwhile another waits, in vain. before: what was.
    """
    clock = server.clock
    began = clock.now
    crowd = {client: kind for kind in kinds if (client := silent_client(server, kind))}
    limits = {client: limit(client, kind) for client, kind in crowd.items()}
    held = all(row.inode for client in crowd if (row := server.row(client)))
    other = server.ask("/page3.txt") if alone and held else None
    server.come_to_rest()

    def silent() -> float:
        return clock.now - began

    def judged() -> list[Client]:
        return [client for client in crowd if silent() < limits[client]]

    def wronged() -> bool:
        return any(client.ended for client in judged())

    def wait_until(end: float) -> None:
        server.wait_out(lambda: wronged() or silent() > end, end - silent())

    rings = {seconds for seconds in (*timers(server), clock.alarm) if 0.2 < seconds < goal}
    for seconds in sorted(rings | ({goal} if may_go_by_another_clock(server) else set())):
        wait_until(seconds + 1)
    # Nine tenths of what was stated, and most of a minute: what was due by then has been done by then.
    for moment in sorted({*(0.9 * seconds for seconds in limits.values() if 0.9 * seconds < goal), goal}):
        if wronged():
            break
        clock.forward(max(0.0, moment - silent()))
        server.come_to_rest()
        wait_until(silent() + nap(server) + 0.1)
    server.come_to_rest()  # those whose time is over together end together
    if len(judged()) < len(crowd):
        server.notes.append(TOO_SLOW)
    for client in judged():
        kind = crowd[client]
        words = f"a client {kind.words}, and was silent for {silent():.0f} s, mostly by the server's clock"
        server.told = [before + words]
        if limits[client] < MINUTE:
            server.did(f"the server had stated a limit of {limits[client]:g} s")
        if other and other.received:
            did = f"{other.name} was answered"
            server.fail("nobody else is answered meanwhile", did, look_at=questions.TURN, costs="one_at_a_time")
        server.did("then it went on")
        finish(server, client, kind, WHOSE if before else AFTER)
    if other:
        server.serves(other, "/page3.txt", look_at=AFTER)
    server.leave()


def may_go_by_another_clock(server: Server) -> bool:
    """Whether a process could read a clock that is not set forward: by a library, or a Python without our page.

    Then most of a minute is waited for, once in a run.
    """
    if server.verdicts.waited:
        return False
    proc = server.launch.proc
    maps = [proc.read(pid, "maps") for pid in server.living()]
    server.verdicts.waited = any("/_ctypes." in text or "/_cffi_backend." in text for text in maps) or not all(
        server.clock.leads(proc, pid) for pid in server.living()
    )
    return server.verdicts.waited


def limit(client: Client, kind: Silence) -> float:
    """Seconds after which a silent client may be given up."""
    stated = long.stated_timeout(client) if kind.served and not kind.sent else None
    return MINUTE if stated is None else min(MINUTE, stated)


def timers(server: Server, *, calls: bool = True) -> list[float]:
    """Seconds after which something rings in the server that the kernel keeps time for. calls: those of calls too,
    which the clock brings about."""
    inodes = {row.inode for row in server.rows().values() if row}
    return running(server.launch.proc, server.tasks(), inodes, calls=calls)


def nap(server: Server) -> float:
    """Seconds until a server that looks around now and then has done so once more."""
    return max((seconds for seconds in timers(server) if seconds < LOOK), default=0.0)


def sleeps_for_ever(server: Server) -> bool:
    """Whether only a client ends its sleep, as it would in an hour."""
    rings = [*timers(server), server.clock.alarm or FOREVER]
    none = not any(has_timers(server.launch.proc, pid) for pid in server.living())
    return none and min(rings) >= FOREVER and all(task.state == "S" for task in server.tasks())


def silent_client(server: Server, kind: Silence) -> Client | None:
    """None if its connection need not stay open."""
    if not kind.reads:
        return clients.stuck_readers(server, 1)[0]
    client = server.client()
    if kind.served:
        client.send(kind.asked)
        reply = server.reply(client)
        said = ", ".join(reply.values("connection")).lower()
        if client.ended or "close" in said or (b"HTTP/1.0" in kind.asked and "keep-alive" not in said):
            server.leave(client)
            return None
    if kind.sent:
        client.send(request(TARGET)[: kind.sent])
    server.settle(lambda: server.has_read(client))
    return client


def finish(server: Server, client: Client, kind: Silence, look_at: str) -> None:
    if kind.reads:
        client.send(request(TARGET)[kind.sent :])
        server.serves(client, TARGET, look_at=look_at)
    else:
        client.open_window()
        server.serves(client, "/big.bin", look_at=look_at)


def pass_time(server: Server, seconds: float, *, rest: bool = True) -> None:
    """So many seconds pass on the server's clock, and it has time to act: what the kernel keeps time for rings too."""
    server.bells.note(server.tasks())
    server.clock.forward(seconds)
    late = [due for due in server.bells.ring(server.tasks()) if due < LOOK]
    if rest:
        server.come_to_rest()
        if late:
            server.wait_out(lambda: False, max(late) + 0.1)


class Busy(NamedTuple):
    """A client that does something now and then: never silent for long, and there for more than a minute."""

    words: str
    act: Callable[[], object]
    finish: Callable[[], object]
    limit: Callable[[], float] = lambda: MINUTE  # seconds until the next act
    most: int = MANY  # acts


def activity(server: Server) -> None:
    """Clients who do something again and again are not silent, however long it takes."""
    kinds = [in_pieces, slow_reader] + [asks_again, second_in_pieces, second_read_slowly] * server.long
    for kind in kinds:
        began = server.clock.now
        busy = kind(server)
        if steps := stays_busy(server, [busy], began, HOUR):
            often = f"every {steps[-1]:.0f} s, {len(steps) + 1} times, by the server's clock"
            server.told = [f"a client {busy.words} {often}"]
            busy.finish()
        server.leave()


def stays_busy(server: Server, crowd: list[Busy], began: float, seconds: float) -> list[float]:
    """So many seconds, or as often as they can act. Returns the steps; none if the machine was so slow that the limit
    of the server's patience was over: then nothing is said.
    """
    clock, steps = server.clock, list[float]()
    while sum(steps) < seconds and len(steps) < min(each.most for each in crowd):
        limit = min(each.limit() for each in crowd)
        steps.append(min(STEP, 0.8 * limit))
        pass_time(server, steps[-1], rest=len(steps) <= FULL)
        last, began = began, clock.now
        for each in crowd:
            each.act()
        if clock.now - last >= limit:
            server.notes.append(TOO_SLOW)
            return []
    return steps


def second_in_pieces(server: Server) -> Busy:
    busy = in_pieces(server, served_before(server))
    return busy._replace(words="was served, and sent a piece of a second request", most=FEW)


def second_read_slowly(server: Server) -> Busy:
    busy = slow_reader(server, served_before(server, PIECE // 16))
    return busy._replace(words="was served, and read 2 MiB of a second answer, a large one,", most=FEW)


def served_before(server: Server, window: int = 0) -> Client:
    client = server.client(window=window)
    client.send(request(TARGET))
    server.serves(client, TARGET)
    return client


def in_pieces(server: Server, client: Client | None = None) -> Busy:
    client, head = client or server.client(), request(TARGET, headers=("X-Pieces: " + "x" * 6 * MANY,))
    pieces = iter(head[:-2][at : at + 5] for at in range(0, len(head) - 2, 5))

    def act() -> None:
        client.send(next(pieces))
        server.settle(lambda: server.has_read(client))

    def rest() -> None:
        client.send(b"".join(pieces) + head[-2:])
        server.serves(client, TARGET, look_at=SINCE)

    act()
    return Busy("sent a piece of a request", act, rest)


def slow_reader(server: Server, client: Client | None = None) -> Busy:
    wanted = server.root.huge
    client = client or server.client(window=PIECE // 16)
    client.stop_reading()
    client.send(request("/huge.bin"))

    def act() -> None:
        client.read_on(PIECE)
        server.settle(lambda: not client.reading or client.ended)
        client.reading = False

    def rest() -> None:
        client.open_window()
        server.serves(client, "/huge.bin", wanted, look_at=SINCE)

    server.settle(lambda: (row := server.row(client)) is None or row.unsent > 0)
    return Busy("read 2 MiB of a large answer", act, rest, most=len(wanted) // PIECE)


def asks_again(server: Server) -> Busy:
    client = server.client()

    def act() -> None:
        client.send(request(TARGET))
        server.serves(client, TARGET, look_at=SINCE)

    act()
    return Busy("asked for a page on its one connection", act, act, lambda: limit(client, SERVED))


@by_one_clock
def minutes(stage: Server | Grading, *, alone: bool = False) -> None:
    """With a server of its own, since a clock that was set forward stays ahead."""
    with grading_of(stage).started() as server:
        gives_up(server, alone=alone)
        leaves_nothing(server, alone=alone)
        come_and_leave(server, alone=alone)
        nobody(server)
        if not alone:
            speaks_late(server)


def gives_up(server: Server, *, alone: bool = False) -> None:
    """Who is silent for minutes may be given up, or not: nobody else is the worse for it, and nothing is left."""
    kinds = [*SILENCES, *IDLE[:2] * server.long]
    for part in [[kind] for kind in kinds] if alone else [kinds]:
        words = "; ".join(f"one {kind.words}" for kind in part)
        server.told = [f"clients: {words}; they were silent for minutes, by the server's clock"]
        began = server.clock.now
        silent = [client for kind in part if (client := silent_client(server, kind))]
        if alone:
            waiting = server.ask("/page3.txt")
            for _ in range(3):
                pass_time(server, GIVEN / 3)
            wait_for_rings(server)
        else:
            beside(server, began)
        given_up = [client for client in silent if client.ended]
        server.leave(*silent)
        if alone:
            server.did("then the silent one left, and one who had waited was to be served")
            is_served(server, waiting)
        server.leave()
        server.watch("over")
        nothing_left(server, given_up)


def speaks_late(server: Server) -> None:
    """Who may be given up speaks at that very moment: served or not, whoever comes then is."""
    for kind in (*SILENCES, *IDLE[:2] * server.long):
        words = f"a client {kind.words}; it was silent for minutes, by the server's clock"
        server.told = [f"{words}, and went on before the server had looked at its clock; then another came"]
        if client := silent_client(server, kind):
            server.clock.forward(GIVEN)
            client.open_window()
            client.send(request(TARGET)[kind.sent :] * kind.reads)
            server.settle(lambda late=client: late.over() or len(late.replies) >= late.asked)  # type: ignore[misc]
            client.close()
            server.bury()
        with server.at_the_cost_of("goes_on"):
            server.serves(server.ask("/small.bin"), "/small.bin", look_at=LATE)
        server.leave()


def is_served(server: Server, waiting: Client) -> None:
    """Who is turned away by a server that goes on has lost his place in the backlog."""
    server.settle(waiting.done)
    turned_away = waiting.over() and not waiting.replies and not server.comes(server.gone, 1)
    with server.at_the_cost_of("backlog") if turned_away else nullcontext():
        server.serves(waiting, "/page3.txt", look_at=questions.WAITED if turned_away else AFTER)


def beside(server: Server, began: float) -> None:
    """Another client sends a piece of its head now and then, and new ones come."""
    busy = in_pieces(server)
    server.did("meanwhile another sent a piece of its request every 48 s, and new ones came")

    def newcomer() -> None:
        client = server.ask("/small.bin")
        server.serves(client, "/small.bin", look_at=GONE)
        server.leave(client)

    crowd = [busy, Busy("", newcomer, newcomer)]
    if stays_busy(server, crowd, began, GIVEN):
        with server.at_the_cost_of("patience"):
            busy.finish()
    wait_for_rings(server)
    newcomer()


def nothing_left(server: Server, given_up: list[Client]) -> None:
    """No descriptor of those that were given up: of a connection that is shut down, and not closed, no table tells."""
    inodes = {client.inode for client in given_up}
    if not server.verdicts.judges(LEFT, LEFT):
        return

    def left() -> list[int]:
        return [number for _, number, inode in server.client_sockets() if inode in inodes]

    server.did("then all had left")
    server.settle(lambda: not left())
    if left():
        pass_time(server, MINUTE + 1)  # who parts slowly may do so
    server.must(
        lambda: not left(),
        "no descriptor of a client that was given up, and has left",
        saw=lambda: f"{plural(len(left()), 'socket')} still open (the first: descriptor {left()[0]})",
        look_at=KEPT,
        costs=LEFT,
    )


def leaves_nothing(server: Server, *, alone: bool) -> None:
    """Nothing of any kind that grows with every round of those who are given up."""
    kinds = [*SILENCES, *IDLE[:2] * server.long]
    if not server.verdicts.judges(LEFT, LEFT):
        return
    server.told = [f"{len(kinds)} clients at a time were silent for minutes, by the server's clock, and left"]
    goal: dict[str, int] = {}
    grown: tuple[str, ...] = (census.SOCKETS, *census.DESCRIPTORS, *census.TASKS, census.GREENLETS)
    for number in range(ROUNDS):
        for part in [[kind] for kind in kinds] if alone else [kinds]:
            silent = [client for kind in part if (client := silent_client(server, kind))]
            for _ in range(3):
                pass_time(server, GIVEN / 3)
            server.leave(*silent)
        now = census.count_at_rest(server, goal)
        grown = census.exceeds(now, goal) if number else grown
        if not grown:
            return
        goal = {kind: now[kind] for kind in grown}
    saw = ", ".join(f"{now[kind]} {kind}" for kind in grown) + f" now, and more with each of {ROUNDS} rounds of them"
    server.fail("nothing left of clients that were given up", saw, look_at=questions.LEFT, costs=LEFT)


def wait_for_rings(server: Server, most: float = MINUTE + 2) -> None:
    """Alarms, timer descriptors and TCP_USER_TIMEOUT of up to so many seconds are waited for."""
    rings = [seconds for seconds in (*timers(server, calls=False), server.clock.alarm) if LOOK < seconds <= most]
    if rings:
        server.wait_out(server.gone, max(rings) + 1)


def nobody(server: Server) -> None:
    """An idle server goes on, however long nobody comes."""
    server.settle(lambda: server.client_descriptors() == 0)
    for seconds in (MINUTE + 1, MINUTE + 1, 10 * MINUTE, HOUR, 24 * HOUR):
        pass_time(server, seconds)
    wait_for_rings(server, 2 * MINUTE)  # with nobody there nothing should be armed
    server.told = ["all clients left, and nobody came for more than a day, by the server's clock"]
    server.probe(1, "what does the server do, or wait for, when nobody comes?")
