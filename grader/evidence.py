"""Where a server stands: each process and thread of its family, the call it is in, whose the descriptor is, and
the line of server.py, in the words of the lesson; and the likely cause, where these facts name it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from grader import lines
from grader.client import Client
from grader.kernel import ESTABLISHED, Process, Task
from grader.launch import Launch
from grader.proof import Look, socket_inode
from grader.sights import NO_DESCRIPTOR
from grader.timers import ACCEPT, FOREVER, RECEIVE, SEND, timeout_of
from grader.words import plural

ALIKE = 3  # so many lines that differ only in who is meant are shown; of more, the first and a count
MOST_LINES = 12


class Names:
    """Inode -> the name a learner knows it by."""

    def __init__(self, launch: Launch, clients: list[Client]):
        self.launch = launch
        self.sockets: dict[int, str] = {}
        self.clients: dict[int, Client] = {}
        for door in launch.sockets.listeners():
            if launch.listener and door.address[1] == launch.listener.address[1]:
                waiting = f", {door.unread} in its backlog" if door.unread else ", its backlog empty"
                self.sockets[door.inode] = f"the listener{waiting}"
        for client in clients:
            row = client.row(launch.sockets)
            if row and row.inode:
                self.clients[row.inode] = client
                unread = f"{plural(row.unread, 'byte')} of it unread" if row.unread else "nothing unread"
                stuck = f", {plural(row.unsent, 'byte')} not yet taken by the client" if row.unsent else ""
                self.sockets[row.inode] = f"{client.name}'s socket, {client.deeds()}; {unread}{stuck}"

    def of(self, target: str) -> str:
        inode = socket_inode(target)
        if inode is None:
            return {"anon_inode:[eventpoll]": "an epoll descriptor"}.get(target, target)
        return self.sockets.get(inode, "a socket of its own")


@dataclass(frozen=True)
class Place:
    """One thread at the moment of the failure. `target` is what its call's descriptor refers to, "" if it has none."""

    process: Process
    task: Task
    target: str
    words: str

    @property
    def inode(self) -> int | None:
        return socket_inode(self.target)


class Moment:
    """All that is known of a server at one moment. What the kernel says is read first; then the server's Python
    is asked for its lines, if it is to be (`ask`): a server that was asked is good for nothing else. `before`: a
    look just before, without which nobody is known to have slept on."""

    def __init__(self, launch: Launch, clients: list[Client], *, before: Look | None = None, ask: bool = False):
        self.launch = launch
        self.family = launch.family()
        self.names = Names(launch, clients)
        self.places = [
            Place(process, task, target_of(launch, task), doing(launch, task, self.names))
            for pid, process in self.family.items()
            if process.state not in "ZX"
            for task in launch.proc.tasks(pid)
        ]
        now = Look(self.family, {(place.task.pid, place.task.tid): place.task for place in self.places})
        self.still = now.asleep_since(before) if before else set()
        self.zombies = [process for process in self.family.values() if process.state in "ZX"]
        self.held = {p.process.pid: launch.proc.descriptors(p.process.pid) for p in self.places}
        listener = launch.listener
        rows = [row for row in launch.sockets.listeners() if row.inode == listener.inode] if listener else []
        self.backlog = [row for row in rows if row.unread]
        self.deaf = bool(listener and self.places) and not rows
        self.lines = lines.ask(launch) if ask and self.places else lines.Lines()

    def name(self, process: Process) -> str:
        return "main process" if process.pid == self.launch.pid else "process"

    def client_of(self, place: Place) -> Client | None:
        return self.names.clients.get(place.inode) if place.inode else None

    def line(self, place: Place) -> lines.Line | None:
        return self.lines.threads.get((place.task.pid, place.task.tid))

    def who(self, place: Place) -> str:
        several = sum(other.process.pid == place.process.pid for other in self.places) > 1
        return f"{self.name(place.process)} {place.process.pid}" + (f", thread {place.task.tid}" if several else "")

    @property
    def matters(self) -> lines.Line | None:
        """The line of the thread that matters: one that waits for a client, else the main thread's, else any."""
        on_client = [place for place in self.places if place.inode in self.names.clients]
        known = (self.line(place) for place in [*on_client, *self.places])
        return next((line for line in known if line), next(iter(self.lines.threads.values()), None))

    def words(self) -> list[str]:
        """A line for each thread, zombie and backlog; of many that are alike, the first and how many."""
        if not self.places:
            return [how_it_ended(self.launch)]
        said: list[tuple[str, str]] = []
        for place in self.places:
            line = self.line(place)
            source = f"; {line}" if line else ""
            said.append((f"{self.who(place)}: {place.words}{source}", f"{place.task.call} {kind(place.target)} {line}"))
        shown = counted(said)
        if len(self.zombies) > ALIKE:
            shown.append(f"{len(self.zombies)} zombies (they have ended, and nobody has waited for them)")
        else:
            shown += [
                f"{self.name(z)} {z.pid}: a zombie (ended, and its parent {z.parent} has not waited for it)"
                for z in self.zombies
            ]
        for pid, places in self.lines.greenlets.items():
            shown += counted([(f"greenlet of process {pid}: {place}", str(place)) for place in places])
        if len(shown) > MOST_LINES:
            shown = [*shown[:MOST_LINES], f"and {len(shown) - MOST_LINES} more lines like these"]
        return shown + [backlog_words(row.unread, row.unsent) for row in self.backlog]

    def cause(self, printed: str, in_question: Iterable[Client]) -> str:
        """What these facts name as the cause; "" if they name none."""
        if self.launch.body.excess:
            return f"{self.launch.body.excess}, so the grader ended it"
        if self.launch.multitude:
            return f"it had {self.launch.multitude} processes and made more, so the grader ended it"
        if said := traceback_in(printed, self.launch):
            return said
        if self.deaf:
            return "nothing listens any more: the listening socket has been closed"
        return self.kept_open(in_question) or self.waited_for()

    def kept_open(self, in_question: Iterable[Client]) -> str:
        """Who holds the socket of a client that waits for the end of the stream, or that two processes hold."""
        for inode, client in self.names.clients.items():
            holders = [
                (pid, number)
                for pid, table in self.held.items()
                for number, target in table.items()
                if socket_inode(target) == inode
            ]
            pids = {pid for pid, _ in holders}
            answered = bool(client.replies) and not client.ended
            if client in in_question and holders and (answered or (len(pids) > 1 and self.launch.pid in pids)):
                words = [f"descriptor {number} of {self.name(self.family[pid])} {pid}" for pid, number in holders[:4]]
                return f"{client.name}'s socket is {'still open' if answered else 'held twice'}: {', '.join(words)}"
        return ""

    def waited_for(self) -> str:
        """A thread that serves one client only, while others wait. Who is about to go on does not wait: to start
        a thread is to wait for it, for a moment."""
        places = [place for place in self.places if (place.task.pid, place.task.tid) in self.still]
        main = next((place for place in places if place.task.tid == self.launch.pid), None)
        transfers = [place for place in places if place.task.call in (*RECEIVE, *SEND)]
        on_client = {place: client for place in transfers if (client := self.client_of(place))}
        others = f"; meanwhile {backlog_words(self.backlog[0].unread)}" if self.backlog else ""
        if main and main in on_client and (others or len(self.names.clients) > 1):
            client = on_client[main]
            what = "for more bytes of" if main.task.call in RECEIVE else "for room to send to"
            return f"the main thread waits {what} {client.name}, {client.deeds()}{others}"
        if main and on_client and (others or main.task.call not in ACCEPT):
            other, client = next(iter(on_client.items()))
            if main.task.call in ("wait4", "waitid", "futex"):
                how = "a child" if main.task.call != "futex" else "a thread (a lock, or a join)"
                return f"the main thread waits for {how}, and {self.who(other)} waits for {client.name}{others}"
        return ""


def target_of(launch: Launch, task: Task) -> str:
    if task.call in NO_DESCRIPTOR:
        return ""
    return launch.proc.descriptors(task.pid).get(task.descriptor, "")


def kind(target: str) -> str:
    return target.partition(":")[0]


def counted(said: list[tuple[str, str]]) -> list[str]:
    """Lines with what makes them alike: of more than ALIKE of a kind, the first and how many others."""
    shown = []
    seen: dict[str, int] = {}
    total = {key: sum(other == key for _, other in said) for _, key in said}
    for text, key in said:
        seen[key] = seen.get(key, 0) + 1
        if total[key] <= ALIKE or seen[key] == 1:
            shown.append(text)
        elif seen[key] == 2:
            shown.append(f"and {total[key] - 1} more, alike but for the client or the descriptor")
    return shown


def traceback_in(printed: str, launch: Launch) -> str:
    """The last traceback that was printed, in a line: its exception and the line of server.py."""
    parts = printed.split("Traceback (most recent call last):\n")
    if len(parts) < 2:
        return ""
    text = parts[-1].splitlines()
    raised = next((line for line in text if line and not line.startswith((" ", "\t"))), "")
    places = re.findall(rf'File "{re.escape(str(launch.script))}", line (\d+), in (\S+)', parts[-1])
    where = f" (server.py line {places[-1][0]}, in {places[-1][1]})" if places else ""
    return f"it printed a traceback: {raised[:200]}{where}" if raised else ""


def where_it_stands(launch: Launch, clients: list[Client]) -> list[str]:
    """A line for each thread, without asking for lines of server.py."""
    return Moment(launch, clients).words()


def backlog_words(waiting: int, most: int = 0) -> str:
    takes = f" (it takes {most})" if most else ""
    return f"{waiting} connection{' waits' if waiting == 1 else 's wait'} in the backlog{takes}"


def how_it_ended(launch: Launch) -> str:
    status = launch.status
    if status is None:
        return "the server has no process left"
    return (
        f"the server has ended, killed by signal {-status}" if status < 0 else f"the server has ended, status {status}"
    )


def the_end(launch: Launch) -> str:
    """What makes two ends of a server alike: its status, what was raised, and the function of server.py.

    A client that is lost shows as one of several exceptions, by chance and by the call: they are one.
    """
    raised = traceback_in(launch.output.text(), launch)
    words = re.search(r"traceback: (\w+)(?:.*server\.py line \d+, (in .*)\))?", raised)
    kind, function = words.groups("") if words else ("", "")
    lost = kind in ("ConnectionResetError", "ConnectionAbortedError", "BrokenPipeError")
    return f"{how_it_ended(launch)}, {'ConnectionError' if lost else kind} {function}"


def nap_length(seconds: float) -> str:
    """Of a nap that is all but over, nothing is said."""
    return f", {seconds:.3g} s of it to come" if seconds > 0.01 else ""


def doing(launch: Launch, task: Task, names: Names) -> str:
    if task.state == "T":
        return "stopped by a signal"
    if task.state == "R" or task.call == "running":
        return "running"
    if task.call is None:
        return f"state {task.state} (the kernel does not say where)"
    if task.call in ("nanosleep", "clock_nanosleep"):
        return f"asleep in {task.call} (a nap{nap_length(timeout_of(launch.proc, task))})"
    if task.call in ("wait4", "waitid"):
        return f"asleep in {task.call}, waiting for a child"
    if task.call == "futex":
        return "asleep in futex (a lock, or a join)"
    if task.call == "restart_syscall":
        return "asleep again in a call that a stop had interrupted"
    until = timeout_of(launch.proc, task)
    limit = "" if until == FOREVER else f", for at most {until:g} s" if until else ", for a time"
    if task.call in ("poll", "ppoll", "select", "pselect6"):
        return f"asleep in {task.call}{limit}"
    target = launch.proc.descriptors(task.pid).get(task.descriptor, "")
    if not target:
        return f"asleep in {task.call}"
    return f"asleep in {task.call} on descriptor {task.descriptor}: {names.of(target)}{limit}"


def state_of(client: Client, launch: Launch) -> str:
    """What a client has seen so far, in one clause, and whether the server has taken what it sent."""
    if not client.connected:
        return f"{client.name} could not connect: {client.ended or 'its connection was never taken'}"
    if client.malformed:
        return f"{client.name}: {client.malformed}"
    got = f"{client.name}: {progress(client)}"
    if client.ended:
        return f"{got}, then {'a reset' if client.ended == 'reset' else 'the end of the stream'}"
    row = client.row(launch.sockets)
    side = ""
    if row and row.inode == 0 and row.state == ESTABLISHED:
        side = "; nobody has accepted it"
    elif row and row.unread:
        side = f"; the server has not read {plural(row.unread, 'byte')} of what it sent"
    elif row and not client.outbox and asks(client):
        side = "; the server has read all that it sent"
    return f"{got}, and the connection stays open{side}"


def asks(client: Client) -> bool:
    """Whether it has sent anything that is not answered yet."""
    heads = client.sent_bytes.count(b"\r\n\r\n") + (client.last_sent not in (b"", b"\r\n\r\n"))
    return heads > len(client.replies)


def progress(client: Client) -> str:
    """How far the answers to a client have come."""
    if not client.received:
        return "not one byte came"
    whole = len(client.replies)
    part = client.received - sum(reply.size for reply in client.replies)
    words = [f"{'its answer' if whole == 1 else f'{whole} answers'} came whole"] * bool(whole)
    unsaid = " that states no length" if client.reader.unbounded else ""
    words += [f"{part} bytes of {'another' if whole else 'an'} answer{unsaid} came"] * bool(part)
    return " and ".join(words)
