"""Sections 2, 4 and 5 of the contract: nothing of a client that has left stays behind, however it left.

All ways are played together, three times. Where nothing has grown, that is all. Where something has, each way is
played apart, by slope: it is a leak if every further round of clients leaves more, until a pool would be full.
A right server may make more threads, keep some, open a log: it does not go on doing so with each client.
What is left of one client in a dozen, or in two hundred, grows as surely, but later: more and more clients come, until
there is more than any pool or cache explains, or so many of them leave nothing more. The same is done about
whatever has grown while a thousand came.
A socket of a client that has left has no such excuse, one is enough.
"""

import time
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from typing import NamedTuple

from grader.client import Client
from grader.kernel import CLOSE
from grader.questions import Questions
from grader.subject import Server
from grader.words import plural
from tests.checks import clients, questions, ways
from tests.checks.census import (
    CHILDREN,
    DESCRIPTORS,
    FILES,
    GREENLETS,
    PARENT,
    SOCKETS,
    TASKS,
    WATCHED,
    ZOMBIES,
    count_at_rest,
    exceeds,
    kind_of,
)
from tests.checks.ways import Way

AT_ONCE = 40  # clients: every step but the first serves so many side by side
EACH, FEWER = 6, 3  # clients a way, in each of the rounds of a first look; fewer where they cost more
ROUNDS, CLIENTS = 8, 30  # of which each must leave more than any before: pools have their ceilings
COST_A_PROCESS, PROCESSES = {"processes", ZOMBIES, PARENT, CHILDREN}, 12  # so many clients where these have grown
DEAR, DEAR_CLIENTS = 2, 6  # the same of those that cost much time
FEW = 6  # zombies that may wait for the next client, of 20 or 30 dead
OF_TEN = 0.1  # of all these clients leave something, at least: then it is plain
MORE = 100  # of a kind: no pool, and no bounded cache, is filled so slowly, by clients who all ask for one file
MORE_ALONE, PILE = 20, 24  # where there can be no pool; of zombies, of which a few may wait
CEILING = 1000  # of a large pool that has one more with each client until it is full
UNREAPED = "no point is lost by it, but nobody waited for the children that had ended until one more client came"
LULL = 420  # clients in a row who leave nothing more: what leaves one of 200 has grown by two
LONG_ENOUGH = 60  # seconds: who takes more than that for them all is not judged by them
WORKERS = (*TASKS, GREENLETS)  # of a pool
EVERY = (SOCKETS, *DESCRIPTORS, *TASKS, GREENLETS, WATCHED)
TASK_WORDS = "what does one of these {} do once its client has been served, or has left?"


class Leavers:
    """Clients that leave a server, and what they leave behind. control: ways whose leaks are another line's.

    costs: the line, if not that of the check.
    """

    def __init__(
        self, server: Server, kinds: tuple[str, ...], at_once: int, control: tuple[Way, ...] = (), costs: str = ""
    ):
        self.server = server
        self.kinds = kinds
        self.at_once = at_once
        self.control = control
        self.costs = costs
        self.whose: dict[int, tuple[Way, Client]] = {}
        self.excused: set[Way] = set()

    def play(self, these: list[Way]) -> None:
        with self.server.blaming("goes_on") if set(these) <= set(ways.SERVED) else nullcontext():
            left_so = ways.play(self.server, these, self.at_once)
        for way, crowd in left_so:
            self.whose |= {client.inode: (way, client) for client in crowd if client.inode}

    def round(self, these: list[Way]) -> None:
        self.play(these)
        if ZOMBIES in self.kinds or PARENT in self.kinds:
            self.one_more()

    def one_more(self) -> None:
        """Some look after their dead only when the next client comes."""
        self.server.settle(lambda: self.server.client_descriptors() == 0)
        self.server.come_to_rest(turns=2)
        if len(self.server.zombies()) > FEW and UNREAPED not in self.server.notes:
            self.server.notes.append(UNREAPED)
        self.server.serves(self.server.ask("/small.bin"), "/small.bin", look_at=questions.ALONE)
        self.server.leave()

    def leave_nothing(self, these: tuple[Way, ...], look_at: Questions, each: int = EACH) -> None:
        """Demand that nothing of these kinds stays behind of clients that leave in these ways."""
        crowd = [way for way in these for _ in range(min(each, DEAR) if way.dear else each)]
        self.server.did(f"clients came and left in {plural(len(these), 'way')}, more than {2 * len(crowd)} of them")
        self.server.did("")
        least = before = Counter[str]()
        for number in range(3):
            # The first time is for what is opened when it is first needed, and for as many as a pool may need.
            # Then those come last who came first: of some servers only the last one's socket stays open.
            self.round(list(these) if number == 0 and self.at_once == 1 else crowd[:: -1 if number == 1 else 1])
            goal = {kind: least[kind] for kind in self.kinds if number and kind != SOCKETS}
            now = count_at_rest(self.server, goal | dict.fromkeys({SOCKETS} & {*self.kinds}, 0))
            if SOCKETS in self.kinds and now[SOCKETS]:
                self.socket_left(these, look_at)
            before, least = least, now & least if number else now
        misses_nobody(self.server, these, self.at_once, before, now)
        if grown := exceeds(now, goal):
            self.find_out(these, grown, look_at)

    def socket_left(self, these: tuple[Way, ...], look_at: Questions) -> None:
        """A socket of a client that has left is open, and the server is stuck: whose is it?"""
        held = self.server.client_sockets()
        if control := (*self.control, *served_alike(these)):  # who resets races with the answer: theirs is no race
            before = {inode for _, _, inode in held}
            self.round([way for way in control for _ in range(EACH * 3 if not way.dear else 2)])
            count_at_rest(self.server, {SOCKETS: len(before)})
            if {inode for _, _, inode in self.server.client_sockets()} - before:
                self.kinds = tuple(kind for kind in self.kinds if kind not in (SOCKETS, WATCHED))
                return
        way, first = next((self.whose[inode] for _, _, inode in held if inode in self.whose), (None, None))
        same = [each for each in held if self.whose.get(each[2], (way, None))[0] == way]
        told = f"clients {way.told}" if way else "clients had left"
        pid, number, _ = same[0]
        self.server.told.clear()
        self.server.did(f"clients came, and {way.told if way else 'left'}")
        who = f" (the first: descriptor {number} of {process(self.server, pid)}" + (
            f", of {first.name})" if first else ")"
        )
        saw = f"{len(same)} {'socket' if len(same) < 2 else 'sockets'} still open after {told}{who}"
        saw += "; for the kernel they are no connections any more" * (way is None and self.all_over(same))
        self.server.fail("no descriptor of a client that has left", saw, look_at=look_at)

    def all_over(self, held: list[tuple[int, int, int]]) -> bool:
        """Whether none of these sockets is a connection any more, as after a reset."""
        launch = self.server.launch
        rows = launch.sockets.connections(launch.listener.address[1]).values() if launch.listener else ()
        return bool(launch.listener) and not {row.inode for row in rows if row.state != CLOSE} & {i for _, _, i in held}

    def find_out(self, these: tuple[Way, ...], grown: tuple[str, ...], look_at: Questions) -> None:
        """Something has grown. Play each way apart, and then all together: does one go on leaving more?"""
        if self.control:
            came, excused = self.goes_on(self.control, grown, rounds=3, clients=12)
            grown = tuple(kind for kind in grown if excused.get(kind, 0) < came * OF_TEN)
        for some in (*((way,) for way in these), these):
            some = tuple(way for way in some if way not in self.excused)
            came, more = self.goes_on(some, grown) if grown and some else (0, {})
            if more and self.served_leave_as_much(some, tuple(more)):
                self.excused |= {*some}
            elif more and max(more.values()) < came * OF_TEN:
                self.find_slow((some,), tuple(more), look_at)
            elif more and self.is_beyond_a_pool(some, more):
                self.blame(some, f"{came} clients came and left, {came // ROUNDS} at a time", came, more, look_at)
        cheap = tuple(way for way in these if not way.dear)
        if cheap and not self.excused:  # else it is known where the growth comes from
            self.find_slow((cheap[:1], cheap), grown, look_at)

    def served_leave_as_much(self, some: tuple[Way, ...], kinds: tuple[str, ...]) -> bool:
        """Whether clients with the same requests who are served leave this too: then it is another line's."""
        twins = served_alike(some)
        came, more = self.goes_on(twins, kinds, rounds=3, clients=PROCESSES) if twins else (0, {})
        return bool(more) and min(more.get(kind, 0) for kind in kinds) >= came * OF_TEN

    def is_beyond_a_pool(self, some: tuple[Way, ...], more: dict[str, int]) -> bool:
        """Whether what grows by one for each client goes on when a large pool, or a cache, would be full."""
        if self.at_once == 1 or COST_A_PROCESS & more.keys() or any(way.dear for way in some):
            return True
        crowd = [some[number % len(some)] for number in range(2 * self.at_once)]
        return bool(goes_on_growing(self.server, lambda: self.round(crowd), len(crowd), tuple(more), CEILING)[1])

    def find_slow(self, crowds: tuple[tuple[Way, ...], ...], grown: tuple[str, ...], look_at: Questions) -> None:
        """Does it go on leaving more, however seldom?"""
        if self.control and grown:
            excused = self.goes_on_slowly(self.control[:1], grown)[1]
            grown = tuple(kind for kind in grown if kind not in excused)
        for some in dict.fromkeys(crowds):
            came, more = self.goes_on_slowly(some, grown) if grown else (0, {})
            if more:
                self.blame(some, "more and more clients came and left", came, more, look_at)

    def goes_on_slowly(self, some: tuple[Way, ...], kinds: tuple[str, ...]) -> tuple[int, dict[str, int]]:
        """As goes_on, of what leaves one now and then: until there is more than is ever kept, or so many leave none."""
        crowd = [some[number % len(some)] for number in range(max(self.at_once, len(some), 12))]
        most = MORE_ALONE if self.at_once == 1 else MORE
        return goes_on_growing(self.server, lambda: self.round(crowd), len(crowd), kinds, most)

    def goes_on(
        self, some: tuple[Way, ...], kinds: tuple[str, ...], *, rounds: int = ROUNDS, clients: int = CLIENTS
    ) -> tuple[int, dict[str, int]]:
        """How many clients came, and how many more there are of each kind that has grown with every round."""
        clients = min(clients, PROCESSES) if COST_A_PROCESS & {*kinds} else clients
        crowd = [way for way in some for _ in range(max(1, (DEAR_CLIENTS if way.dear else clients) // len(some)))]
        before = high = count_at_rest(self.server, {})
        came = 0
        for _ in range(rounds):
            self.round(crowd)
            came += len(crowd)
            goal = {kind: high[kind] for kind in kinds}
            now = count_at_rest(self.server, goal)
            kinds = exceeds(now, goal)
            if not kinds:
                return came, {}
            high = now
        return came, {kind: high[kind] - before[kind] for kind in kinds}

    def blame(self, some: tuple[Way, ...], did: str, came: int, more: dict[str, int], look_at: Questions) -> None:
        kind, count = max(more.items(), key=lambda pair: pair[1])
        told = some[0].told if len(some) == 1 else f"left in {len(some)} ways"
        self.server.told.clear()
        self.server.did(f"{did}, and what is left was counted: they {told}")
        expected = f"as many {kind} as before, once these clients have left"
        saw = f"{count} {kind} more after {came} clients {told}{example(self.server, kind)}"
        asks = {"": look_at} if isinstance(look_at, str) else {**look_at}
        if kind in (*TASKS, GREENLETS):
            asks = {"": TASK_WORDS.format(kind)}
        self.server.fail(expected, saw, look_at=asks, costs=self.costs)


def served_alike(some: tuple[Way, ...]) -> tuple[Way, ...]:
    """Ways with the same requests, of clients who are served."""
    heads = {way.head for way in some if way not in ways.SERVED + ways.LONG_SERVED} - {b""}
    return tuple(way for way in ways.SERVED if way.head in heads)


def process(server: Server, pid: int) -> str:
    return "the main process" if pid == server.main else f"process {pid}"


def example(server: Server, kind: str) -> str:
    """The descriptor of this kind that was made last, and who holds it."""
    held = [
        (number, pid, target)
        for pid in server.living()
        for number, target in server.launch.proc.descriptors(pid).items()
        if kind_of(server, target) == kind or kind == (PARENT if pid == server.main else CHILDREN)
    ]
    if not held:
        return ""
    number, pid, target = max(held)
    what = f"{target.rpartition('/')[2] or target}, one of the {kind_of(server, target)}"
    return f"; the last: descriptor {number} of {process(server, pid)}, {what}"


def goes_on_growing(
    server: Server, act: Callable[[], object], each: int, kinds: tuple[str, ...], most: int = MORE
) -> tuple[int, dict[str, int]]:
    """How often it was tried, `each` in every round, and of what kinds there is more now than is ever kept.

    Nothing, once LULL of them in a row have left nothing more, or act says that this is the end.
    """
    before = high = count_at_rest(server, {})
    came, grew, rounds, began = 0, 0, 1, time.monotonic()
    kept = {kind: before[kind] + (PILE if kind == ZOMBIES else most) - 1 for kind in kinds}
    while came - grew < LULL:
        for _ in range(rounds):
            if act() is False:
                return came, {}
        came += rounds * each
        now = count_at_rest(server, {})  # what comes and goes may be counted too, until it is a verdict
        server.departed.clear()  # a look at the sockets of all that have left would cost more than they do
        if exceeds(now, kept) and (proven := exceeds(count_at_rest(server, kept), kept)):
            return came, {kind: now[kind] - before[kind] for kind in proven}
        if not exceeds(now, {kind: high[kind] for kind in kinds}):
            rounds = min(2 * rounds, 4)
            continue
        grew, high = came, now | high
        if time.monotonic() - began > LONG_ENOUGH:
            server.notes.append(f"something grew with clients; after {came} of them it was late")
            break
    return came, {}


class AtOnce(Leavers):
    """Clients that are all served while the parent is stopped (SIGSTOP): when it goes on, all children have died."""

    die = True

    def play(self, these: list[Way]) -> None:
        crowd = clients.stalled(self.server, len(these))
        held = self.server.all_holders([client for client, _, _ in crowd])
        asleep = [client for client, pids in held if pids - {self.server.main}]
        with self.server.stopped():
            for client, _, rest in crowd:
                client.send(rest)
            self.server.settle(lambda: all(client.replies for client in asleep))
            self.server.leave(*asleep)
            if self.die:  # in a pool they do not
                self.die = self.server.comes(lambda: len(self.server.zombies()) >= len(these) - 1, 1)
        self.server.settle(lambda: all(client.replies for client in self.server.clients))
        self.server.leave()


# The lines of the rubric


def vanishing(server: Server, at_once: int = AT_ONCE, each: int = EACH) -> None:
    """Clients that vanish before or in mid-request leave nothing behind."""
    control = (ways.CLOSES, ways.LARGE) if server.long else (ways.SERVED[0],)
    Leavers(server, EVERY, at_once, control).leave_nothing(ways.VANISHED, questions.LEFT, each)
    if server.long:
        Leavers(server, EVERY, at_once, ways.IDLE[:2]).leave_nothing(ways.SECOND_HEAD, questions.LEFT)


def reset_in_answer(server: Server, at_once: int = AT_ONCE, each: int = EACH) -> None:
    """Clients that leave in mid-answer, or before they have read it, leave nothing behind."""
    these = ways.IN_ANSWER + ways.PIPELINED * server.long
    Leavers(server, EVERY, at_once, (ways.CLOSES, ways.LARGE)).leave_nothing(these, questions.LEFT, each)


def no_leak(server: Server, at_once: int = AT_ONCE, each: int = EACH, *, parent: bool = True) -> None:
    """Served clients leave no descriptor behind. parent: False if another line is about those of the parent."""
    kinds = (SOCKETS, *(DESCRIPTORS if parent else (FILES, CHILDREN)), GREENLETS, WATCHED)
    these = ways.SERVED + ways.FOLLOWED + ways.own_validators(server) + ways.LONG_SERVED * server.long
    control = ways.IDLE[:1] if server.long else ()
    Leavers(server, kinds, at_once, control).leave_nothing(these, questions.OPENED, each)


def threads_return(server: Server) -> None:
    """Threads end with their clients."""
    Leavers(server, ("threads",), AT_ONCE).leave_nothing(ways.SERVED, "")


def processes_return(server: Server) -> None:
    """Processes end with their clients."""
    Leavers(server, ("processes",), AT_ONCE).leave_nothing(ways.SERVED, "", each=2)


TOGETHER = Way("were served and left while the parent was stopped (SIGSTOP)", lambda server: iter(()))


def parent_descriptors(server: Server, count: int = 12) -> None:
    """The parent's descriptors are back when the children are done."""
    AtOnce(server, (PARENT,), count).leave_nothing((TOGETHER,), questions.OPENED, each=count)
    Leavers(server, (PARENT,), AT_ONCE).leave_nothing(ways.REFUSED, questions.OPENED, each=2)


def zombies_in_a_row(server: Server, count: int = 30) -> None:
    """Dead children do not pile up after clients in a row: a few may wait for the next client, not one each."""
    these = (ways.SERVED[0], *ways.VANISHED[2:4])
    dead = Leavers(server, (ZOMBIES,), 1)
    server.did(f"{count} clients were served one after the other, then one more")
    dead.round([ways.SERVED[0]] * count)
    few_zombies(server)
    dead.leave_nothing(these, questions.REAPED, each=3)


def zombies_at_once(server: Server, count: int = 44) -> None:
    """Dead children do not pile up after clients at once."""
    dead = AtOnce(server, (ZOMBIES,), count)
    server.did(f"{count} clients stalled; the parent was stopped (SIGSTOP), all were served, it went on; one more came")
    dead.round([TOGETHER] * count)
    few_zombies(server)
    dead.leave_nothing((TOGETHER,), questions.REAPED, each=count // 4)


def few_zombies(server: Server) -> None:
    server.must(
        lambda: len(server.zombies()) <= FEW,
        "at most a few zombies",
        saw=lambda: f"{len(server.zombies())} zombies",
        look_at=questions.REAPED,
    )


def forgets_idle(server: Server, at_once: int = AT_ONCE) -> None:
    """A client that closes is forgotten, idle or not."""
    Leavers(server, EVERY, at_once).leave_nothing(ways.IDLE, questions.LEFT)


# While a thousand clients come, and requests

#: The lines that what served clients leave costs, and the kinds: of every step, and of two.
Lines = dict[str, tuple[str, ...]]
LINES: Lines = {"no_leak": (*DESCRIPTORS, GREENLETS, WATCHED)}
LINES_OF_PROCESSES: Lines = {
    "no_leak": (FILES, CHILDREN, GREENLETS, WATCHED),
    "parent_descriptors": (PARENT,),
    "processes_return": ("processes",),
    "zombies_in_a_row": (ZOMBIES,),
}
LINES_OF_THREADS = LINES | {"threads_return": ("threads",)}


class Crowd(NamedTuple):
    """What there was when some had come, and which lines more of it would cost."""

    server: Server
    lines: Lines
    before: Counter[str]

    @classmethod
    def of(cls, server: Server, lines: Lines) -> "Crowd":
        judged = {line: kinds for line, kinds in lines.items() if server.verdicts.judges(line, line)}
        return cls(server, judged, count_at_rest(server, {}))

    def has_more(self) -> Lines:
        """Of which lines and kinds there is more than there was."""
        goal = {kind: self.before[kind] for kinds in self.lines.values() for kind in kinds}
        if not exceeds(count_at_rest(self.server, {}), goal):
            return {}
        more = exceeds(count_at_rest(self.server, goal), goal)
        grown = {line: tuple(kind for kind in kinds if kind in more) for line, kinds in self.lines.items()}
        return {line: kinds for line, kinds in grown.items() if kinds}

    def leaves_nothing(self, served: Way, at_once: int) -> None:
        """Demand that what has grown does not go on growing: with those who are served, or with those who vanish."""
        for line, kinds in (grown := self.has_more()).items():
            look_at = questions.REAPED if ZOMBIES in kinds else questions.OPENED
            Leavers(self.server, kinds, at_once, costs=line).find_slow(((served,),), kinds, look_at)
        if grown and self.server.verdicts.judges("vanishing", "vanishing"):
            kinds = tuple(dict.fromkeys(kind for some in grown.values() for kind in some))
            vanishing = Leavers(self.server, kinds, at_once, (served,), costs="vanishing")
            vanishing.find_slow((ways.VANISHED[:4],), kinds, questions.LEFT)

    def is_as_before(self, these: tuple[Way, ...], at_once: int) -> None:
        """The same of clients of many kinds, of whom only a few have come; and none of its workers is missing."""
        for line, kinds in self.has_more().items():
            if ZOMBIES not in kinds:  # a few may wait, and they have lines of their own
                Leavers(self.server, kinds, at_once, costs=line).find_out(these, kinds, questions.OPENED)
        misses_nobody(self.server, these, at_once, self.before, count_at_rest(self.server, {}))


def misses_nobody(
    server: Server, these: tuple[Way, ...], at_once: int, before: Counter[str], now: Counter[str]
) -> None:
    """Demand that whoever serves is there for the next: a worker that ends with its client, and is not replaced, is
    missed when it was the last. A pool may become smaller by itself, so nothing rests on how many there are."""
    if all(now[kind] >= before[kind] for kind in WORKERS) or loses(server, these, at_once) <= 0:
        return
    for way in these:
        crowd, lost = (way,) * (DEAR if way.dear else PROCESSES), 0
        for _ in range(CEILING // len(crowd)):
            if (fewer := loses(server, crowd, at_once)) <= 0:
                break
            lost += fewer
            server.told = [f"clients came, {len(crowd)} at a time: they {way.told}"]
            server.did(f"{plural(lost, 'worker')} of the server (threads, processes or greenlets) ended with them")
            with server.at_the_cost_of("goes_on"):
                server.probe(1, questions.MISSED)


def loses(server: Server, crowd: tuple[Way, ...], at_once: int) -> int:
    """How many workers fewer there are when these have come and left; one that is just ending is none."""
    before = count_at_rest(server, {}) & count_at_rest(server, {})
    with server.at_the_cost_of("goes_on"):
        ways.play(server, list(crowd), at_once)
    server.departed.clear()
    now = count_at_rest(server, {})
    return max(before[kind] - now[kind] for kind in WORKERS)


def one_for_long(server: Server, crowd: Crowd, each: int = 10) -> None:
    """Demand that what has grown with the requests of one connection does not go on growing with more of them."""
    if not (kinds := crowd.has_more().get("no_leak", ())):
        return
    client = server.client()

    def ask() -> bool:
        client.send(ways.PAGE * each)
        for _ in range(each):
            server.serves(client, "/page1.txt", look_at=questions.THOUSAND)
        server.check(client)
        return not client.ended

    came, more = goes_on_growing(server, ask, each, kinds)
    if more:
        kind, count = max(more.items(), key=lambda pair: pair[1])
        server.told.clear()
        server.did(f"more and more requests came on one connection, {each} at a time, and what is open was counted")
        saw = f"{count} {kind} more after {came} requests{example(server, kind)}"
        expected = f"as many {kind} as before, once these requests are answered"
        server.fail(expected, saw, look_at=questions.OPENED, costs="no_leak")
