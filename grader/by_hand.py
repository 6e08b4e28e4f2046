"""A line of bash that shows a failure by hand, beside `./toxw -e run -- 05 --site`, which serves the grader's own site.

What a client met may have come of all that happened before. So a line is tried before it is told: another server of
the same program, which nobody has met, is sent what the line sends and no more, first as little as may do. What does
not go wrong there too is not told. What no client can see has a line that says where to look.
"""

import os
import re
import shlex
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from grader import OWN, bash, contract, judge
from grader.bash import Deed
from grader.client import Client
from grader.contract import Violation
from grader.finding import CannotGrade, Finding
from grader.reply import Reply, counted

if TYPE_CHECKING:
    from grader.subject import Server

SITE = ".tox/site/www"  # the root that `run --site` serves
PATIENCE, BUDGET = 1.5, 15.0  # seconds: for what one line waits for, and for all the lines of a run
A_DAY = 86_400  # seconds: a file of another day is dated so on purpose
MOST_TRIES, MOST_OTHERS, MOST_LINE = 6, 210, 1500  # servers for a line, clients, characters
SOME = 3  # times that something is done that leaves a descriptor behind
#: Rules that curl, which shows a head and a body and hides how the connection ends, can show broken.
IN_A_HEAD = {"status", "readable", "answered", "nothing from outside", "planted", "coding", "interim", "length"}
#: Words of what was expected -> where to look; P is the process.
PLACES = (
    ("sleeps in epoll", "top -b -n 2 -d 1 -p P | tail -1; cat /proc/P/task/*/wchan  # its %CPU, and where it sleeps"),
    ("a traceback", "kill -INT P; sleep 1; kill -TERM P  # and read what the server prints"),
    ("an end ", "kill -INT P; sleep 1; ps -o pid,stat,args -p P"),
    ("every process", f"({bash.CONNECT}; sleep 1; kill -TERM P; sleep 1; ps -eo pid,stat,args | grep server.py)"),
    ("listener at", "ss -ltnp"),
    ("socket that listens", "ss -ltnp"),
    ("in the backlog", "ss -ltn  # Send-Q of a listener is the room that its backlog has"),
    ("O_NONBLOCK", "grep flags /proc/P/fdinfo/*  # O_NONBLOCK is 04000"),
    ("epoll descriptor", "grep -H tfd /proc/P/fdinfo/*  # what each epoll descriptor watches"),
    ("use of CPU", "top -b -n 2 -d 1 -p P | tail -1  # the column of %CPU"),
    ("zombies", "ps -o pid,ppid,stat,args --ppid P  # Z is a zombie"),
    ("greenlet", ""),
    ("gevent", "grep gevent /proc/P/maps | head -3"),
    ("processes", "ps -o pid,ppid,stat,args --ppid P"),
    ("one process", "ps -o pid,ppid,stat,args --ppid P"),
    ("process that accepts", "ps -o pid,ppid,stat,args --ppid P"),
    ("child holds", "ls -l /proc/P/fd; ss -tnp"),
    ("descriptor", "ls -l /proc/P/fd"),
    ("left open", "ls -l /proc/P/fd"),
    ("nothing left", "ls -l /proc/P/fd"),
    ("pipes", "ls -l /proc/P/fd"),
    ("files", "ls -l /proc/P/fd"),
    ("thread", "ls /proc/P/task"),
    ("epoll", "cat /proc/P/task/*/wchan"),
    ("asleep", "cat /proc/P/task/*/wchan"),
)
#: Words of what was expected that nobody sees unless the clients are there, or unless one has come and left.
OF_THOSE_WHO_STAY = ("sleeps in epoll", "use of CPU", "epoll descriptor", "O_NONBLOCK")
OF_WHO_HAS_LEFT = ("has left", "nothing left", "have left")


@dataclass(frozen=True)
class Plan:
    """A client, the one that fares ill, and those who are there before it comes. curl: that is what it is."""

    last: Deed
    others: tuple[Deed, ...] = ()
    curl: bool = False

    def heads(self) -> Deed:
        """What is sent: curl has its own lines in its head."""
        if not self.curl:
            return self.last
        own = "Host: {}:{}\r\nUser-Agent: curl/8.5.0\r\nAccept: */*".format(*bash.PLACE)
        return Deed((f"GET {self.last.target} HTTP/1.1\r\n{own}\r\n\r\n".encode(),))


@dataclass
class Fault:
    """What went wrong for a client, and how to know it when it goes wrong again.

    broken: the rule, if it is one. amiss: else, whether what this client has is wrong, whatever others do.
    """

    client: Client
    expected: str
    broken: Violation | None = None
    amiss: Callable[[Client], bool] | None = None

    @property
    def of_a_body(self) -> bool:
        """Whether it is the bytes of a file that were expected."""
        return self.own and (self.broken.rule == "body" if self.broken else self.expected.startswith("200 "))

    @property
    def own(self) -> bool:
        return bool(self.broken or self.amiss)

    def again(self, server: "Server", client: Client) -> bool:
        if self.broken:
            found = judge.violations(server, client, over=True)
            missing = judge.unanswered(server, client)
            return any(each.rule == self.broken.rule for each in [*found, *([missing] if missing else [])])
        return self.amiss(client) if self.amiss else fate(client) == fate(self.client)

    def in_a_head(self) -> bool:
        return self.broken.rule in IN_A_HEAD | {"body"} if self.broken else bool(self.amiss)


def fate(client: Client) -> object:
    """What a client got, as far as one server does to it what another does."""
    answers = tuple((reply.status, len(reply.body)) for reply in client.replies)
    return answers, client.ended, bool(client.malformed), bool(client.received)


# What may be tried


def line(server: "Server", expected: str, saw: str, fault: Fault | None) -> str:
    """The line and, before it, a remark that says what it wants; "" if there is none."""
    if not server.verdicts.line:  # this server is one that is tried, and what fails here is nobody's
        return ""
    shell = ""
    if server.gone() and server.launch.listener:
        shell = of_an_end(server, fault)
    elif fault:
        shell = of_a_client(server, fault)
    shell = shell or where_to_look(server, expected, saw)
    if not shell:
        return ""
    named = server.grading.submission
    mine = named.resolve() == OWN
    option = "" if mine else f" --submission {shlex.quote(str(named))}"
    return f"# beside `./toxw -e run -- {server.grading.step[:2]} --site{option}`, in another terminal:\n{shell}"


def of_a_client(server: "Server", fault: Fault) -> str:
    tries = 0
    for plan in plans(server, fault):
        shell = written(server, plan, None)
        if not shell or len(shell) > MOST_LINE:
            continue
        tries += 1
        if tries > MOST_TRIES:
            return ""
        if client := played(server, plan, fault.again):
            return written(server, plan, client, fault.of_a_body)
    return ""


def plans(server: "Server", fault: Fault) -> Iterator[Plan]:
    """From the least that may show it to all that is there."""
    deed = Deed.of(fault.client)
    if deed is None:
        return
    deed = replace(deed, leaves="")
    there = [each for other in server.clients if other is not fault.client and (each := Deed.of(other))]
    others = tuple(there[:MOST_OTHERS])
    alone = [*(Deed((head,)) for head in asked(fault)), deed]
    for last in dict.fromkeys(alone) if fault.own or not others else ():
        yield from forms(fault, Plan(last))
    for some in dict.fromkeys((others[-1:], others) if fault.own else (others,)):
        if some:
            yield from forms(fault, Plan(deed, some))
    gone = [(bool(other.replies), each) for other in reversed(server.departed) if (each := Deed.of(other))]
    if not fault.own or not (fault.client.received or fault.client.ended):  # it waits: perhaps for one who has left
        unheard = dict.fromkeys(each for served, each in gone[:MOST_OTHERS] if not served)
        served = dict.fromkeys(replace(each, leaves="") for served, each in gone[:MOST_OTHERS] if served)
        for each in list(unheard)[:2]:
            yield from forms(fault, Plan(deed, (each,)))
        for each in list(served)[:1]:
            yield from forms(fault, Plan(deed, (*others[:1], each)))


def forms(fault: Fault, plan: Plan) -> Iterator[Plan]:
    if plan.last.target and (fault.in_a_head() or plan.others) and not fault.client.malformed:  # curl hides what is odd
        yield replace(plan, curl=True)
    yield plan


def asked(fault: Fault) -> list[bytes]:
    """Of several requests on a connection, the one that went wrong, as far as that is clear."""
    requests = contract.cut(bytes(fault.client.sent))[0]
    if len(requests) < 2:
        return []
    answered = len(fault.client.replies)
    numbers = [fault.broken.number] if fault.broken else [answered - 1, answered]
    return [requests[n].head + b"\r\n\r\n" for n in numbers if 0 <= n < len(requests)]


def of_an_end(server: "Server", fault: Fault | None) -> str:
    """Of a server that has ended: what one of the last clients did, if that ends another too."""
    first = [fault.client] if fault else []
    clients = [*first, *reversed(server.clients), *reversed(server.departed)]
    deeds = [deed for client in clients if client.sent and (deed := Deed.of(client))]
    for deed in list(dict.fromkeys(deeds))[:MOST_TRIES]:
        plan = Plan(deed, curl=True) if deed.target else Plan(replace(deed, leaves=deed.leaves or "closed"))
        shell = written(server, plan, None)
        if shell and len(shell) <= MOST_LINE and played(server, plan, lambda other, _: other.comes(other.gone, 0.5)):
            return f"{shell}; sleep 1; {bash.curl('/')}"
    return ""


# Whether it shows


def played(server: "Server", plan: Plan, shows: Callable[["Server", Client], bool]) -> Client | None:
    """The client of another server that is sent what this plan says, if it fares ill there too."""
    grading, verdicts = server.grading, server.verdicts
    if verdicts.seconds_by_hand > BUDGET:
        return None
    began, stage, notes, before = time.monotonic(), list(grading.stage), list(grading.notes), list(grading.launches)
    kept = verdicts.line, verdicts.caught, verdicts.unsettled
    verdicts.line = ""  # what fails here belongs to no check
    try:
        with grading.started() as other:
            for each in plan.others:
                act(other, each)
            other.comes(lambda: all(map(other.has_read, other.clients)), PATIENCE)
            client = act(other, plan.heads(), alone=True)
            wait_for_its_fate(other, client)
            return client if shows(other, client) else None
    except (Finding, CannotGrade):
        return None
    finally:
        grading.stage[:], grading.notes[:] = stage, notes
        for launch in [launch for launch in grading.launches if launch not in before]:  # one that never listened
            grading.end(launch)
        verdicts.line, verdicts.caught, verdicts.unsettled = kept
        verdicts.seconds_by_hand += time.monotonic() - began


def act(server: "Server", deed: Deed, *, alone: bool = False) -> Client:
    client = server.client()
    if not deed.reading:
        client.stop_reading()
    for piece in deed.pieces:
        client.send(piece)
        if alone and not deed.at_once:
            server.comes(lambda: server.has_read(client) or client.over(), 0.5)
    if deed.half_closed:
        client.half_close()
    if deed.leaves == "reset":
        client.reset()
    elif deed.leaves:
        client.close()
    return client


def wait_for_its_fate(server: "Server", client: Client) -> None:
    if client.closed:
        server.comes(server.gone, PATIENCE)
        return

    def has_all() -> bool:
        return bool(client.malformed or client.ended or 0 < client.asked <= len(client.replies))

    if not client.reading:  # it has read nothing for a while, and then reads all
        server.comes(client.over, PATIENCE)
        client.read_on()
    server.until(has_all, PATIENCE, verdict=False)
    server.comes(client.over, 0.5)


# In the words of bash


def written(server: "Server", plan: Plan, client: Client | None, body: bool = False) -> str:
    """client: how it fared when this was tried. body: an answer is held against the file."""
    before = [made for deed in (*plan.others, plan.last) if (made := made_first(server, deed))]
    parts = list(dict.fromkeys(before))
    for deed, alike in groupby(plan.others):
        parts.append(bash.opened(deed, len(list(alike))))
    if plan.others:
        parts.append("sleep 1")
    received = client.received if client else 0
    last = asked_by_curl(server, plan.last, client if body else None) if plan.curl else bash.asked(plan.last, received)
    if not plan.curl and body and client:
        last = last.replace("| wc -c", held_against(server, plan.last, client), 1)
    if not all(parts) or not last:
        return ""
    whole = "; ".join([*parts, last])
    space = " " if whole.startswith("(") else ""  # else it would begin as arithmetic does
    return f"({space}{whole})" if plan.others else whole


def held_against(server: "Server", deed: Deed, client: Client) -> str:
    """What the bytes of an answer that came whole are piped into: they are held against the file; else they are
    counted."""
    place = on_disk(server, target_of(deed))
    body = client.replies[-1].body if client.replies else b""
    whole = place and len(client.replies) == 1 and len(body) == len(server.root.files.get(target_of(deed), b""))
    path = bash.named(place)
    return f"| tail -c $(stat -c %s {path}) | cmp - {path}" if whole else "| wc -c"


def target_of(deed: Deed) -> str:
    found = re.match(rb"GET (\S+) HTTP", deed.sent)
    return found[1].decode("latin-1") if found else ""


def asked_by_curl(server: "Server", deed: Deed, client: Client | None) -> str:
    """Where the body is what is wrong, it is held against the file; a long one is not shown."""
    place = on_disk(server, deed.target)
    reply: Reply | None = client.replies[-1] if client and client.replies else None
    unfit = b"\0" in server.root.files.get(deed.target, b"")  # for a terminal
    if place and client and (reply.status == 200 if reply else client.received or unfit):
        short = reply and counted(reply, server.root.files.get(deed.target, b""))
        head = ("-D", "/dev/stderr") if short else ()  # it says there how much it sends
        return f"{bash.curl(deed.target, '-sS', *head)} | cmp - {bash.named(place)}"
    if client and client.received > bash.MUCH:
        return bash.curl(deed.target, "-sS", "-D", "-", "-o", "/dev/null")
    return bash.curl(deed.target)


# The site


def on_disk(server: "Server", target: str) -> str:
    """The path of the file that this target stands for, as `run --site` has it; "" if it stands for none."""
    place = server.root.file_of(target)
    return f"{SITE}/{place}" if place else ""


def made_first(server: "Server", deed: Deed) -> str:
    """What makes the file that is asked for, if it is not one that the site always has."""
    target = target_of(deed)
    if target in server.root.vasts:
        return f"truncate -s {server.root.vasts[target]} {bash.named(SITE + target)}"
    if not target or server.root.always_has(target) or not (place := on_disk(server, target)):
        return ""
    status = os.stat(server.root.path / os.path.relpath(place, SITE))
    size, dated, path = status.st_size, int(status.st_mtime), bash.named(place)
    steps = [f"mkdir -p {bash.named(str(Path(place).parent))}"] if Path(place).parent != Path(SITE) else []
    steps.append(f"{'echo hello' if 0 < size < 200 else f'head -c {size} /dev/urandom'} >{path}")
    if abs(time.time() - dated) > A_DAY:
        steps.append(f"touch -d @{dated} {path}")
    return "; ".join(steps)


# What no client sees


def before_a_count(server: "Server", count: Callable[["Server"], int]) -> str:
    """What one of those who left did, a few times, if that leaves more behind than there was: "" if it does not."""
    deeds = [deed for client in reversed(server.departed) if client.sent and (deed := Deed.of(client))]
    for deed in list(dict.fromkeys(deeds))[:2]:
        plan = Plan(deed, curl=bool(deed.target))
        shell = bash.curl(deed.target, "-sS", "-o", "/dev/null") if plan.curl else bash.asked(deed, 0)
        if not shell or len(shell) > MOST_LINE:
            continue
        counts: list[int] = []

        def grows(other: "Server", _: Client, plan: Plan = plan, counts: list[int] = counts) -> bool:
            for _time in range(SOME):
                counts.append(count(other))
                wait_for_its_fate(other, act(other, plan.heads()))
                other.close_clients()
                other.come_to_rest()
            return count(other) >= counts[0] + SOME - 1

        if played(server, plan, grows):
            return f"for i in {{1..{SOME}}}; do {shell}; done"
    return ""


def where_to_look(server: "Server", expected: str, saw: str) -> str:
    shell = next((shell for words, shell in PLACES if words in expected), "")
    if not shell:
        return ""
    look, _, remark = shell.partition("  # ")
    first, stay = "", any(words in expected for words in OF_THOSE_WHO_STAY)
    if any(words in expected for words in OF_WHO_HAS_LEFT):
        first, stay = came_and_left(server, f"{expected} {saw}"), False
        if not first and expected.startswith("as many "):
            first = before_a_count(server, lambda other: other.descriptors())
    elif "zombies" in expected:
        first, stay = before_a_count(server, lambda other: len(other.zombies())), False
    elif stay and server.known:
        first = those_who_stay(server)
        if not first and "sleeps" in expected:  # without them it does
            return ""
    if first:
        look = f"{first}; sleep 1; {look}"
        look = f"({look})" if stay else look  # they stay as long as the shell
    shell = f"{look}  # {remark}" if remark else look
    return re.sub(r"\bP\b", f"$(pgrep -of 'python.*{server.grading.step}/server.py')", shell)


def came_and_left(server: "Server", told: str) -> str:
    """What a client that was named has done, and left; "" if that is more than a line can say."""
    named = [client for client in server.known if re.search(rf"{client.name}\b", told)]
    held = [client for client in named if not server.forgotten(client)]
    found = held or named  # names begin again with each check: the last is meant
    deed = Deed.of(found[-1]) if found else None
    shell = bash.asked(deed, 0) if deed and deed.leaves else ""
    return shell if len(shell) < MOST_LINE // 2 else ""


def those_who_stay(server: "Server") -> str:
    """The clients that are there and wait, or let wait; "" if that is more than a line can say."""
    deeds = [Deed.of(client) for client in server.clients if not client.ended]
    if not deeds or len(deeds) > MOST_OTHERS or None in deeds:
        return ""
    alike = [(deed, len(list(some))) for deed, some in groupby(filter(None, deeds))]
    parts = [bash.opened(deed, count) for deed, count in alike]
    shell = "; ".join(parts)
    return shell if all(parts) and len(shell) < MOST_LINE // 2 else ""
