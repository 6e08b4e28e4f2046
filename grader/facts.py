"""What the kernel says of a server and its clients, as the checks and the waiting loop ask for it."""

import errno
import functools
import operator
import select
from collections.abc import Callable
from functools import cached_property

from grader import holdings, lines
from grader.bells import Bells
from grader.client import Client
from grader.clock import Clock
from grader.docroot import DocumentRoot
from grader.kernel import ESTABLISHED, FIN_WAIT1, LAST_ACK, SYN_RECV, Process, Socket, Task
from grader.launch import Launch
from grader.proof import Prover, Sockets, is_internal
from grader.reply import Kept
from grader.traces import Traces

A_CROWD = 500  # a dump of all sockets costs as much as so many look-ups: the kernel walks its whole table


class Facts:
    """A started server with its clients, and no judgement of either."""

    def __init__(self, launch: Launch, root: DocumentRoot):
        self.launch = launch
        self.root = root
        self.clients: list[Client] = []
        self.departed: list[Client] = []  # closed by us, and perhaps still known to the server
        self.arrivals = select.epoll()
        self.by_descriptor: dict[int, Client] = {}
        self.hot: set[Client] = set()
        self.kept = Kept(root.files)  # of all that it has answered
        self.prover = Prover(launch.proc, launch.family, launch.started, launch.clock)
        self.bells = Bells(launch.proc, launch.clock)
        self.before_clients: frozenset[str] = frozenset()  # what its descriptors referred to when it began to listen
        self.threads_before = 0  # and how many threads it had
        self.peers: set[tuple[str, int]] = set()  # the addresses of all clients that it has had
        self.elsewhere: set[int] = set()  # inodes of sockets that have been found to be no connections to the port
        self.says_greenlets = True  # as far as we know; who once said nothing is not asked again
        self.traces: Traces | None = None  # of the main process, from that moment on

    @property
    def main(self) -> int:
        return self.launch.pid

    @property
    def listener(self) -> Socket:
        """Of a server that listens, or has listened."""
        assert self.launch.listener
        return self.launch.listener

    @property
    def clock(self) -> Clock:
        """Every server that is graded has one; those of the bench go by the true one."""
        assert self.launch.clock
        return self.launch.clock

    def living(self) -> dict[int, Process]:
        return {pid: process for pid, process in self.launch.family().items() if process.state not in "ZX"}

    def zombies(self) -> list[int]:
        """Dead processes that a process of the family has not waited for."""
        family = self.launch.family()
        return [pid for pid, process in family.items() if process.state == "Z" and process.parent in family]

    def tasks(self) -> list[Task]:
        return [task for pid in self.living() for task in self.launch.proc.tasks(pid)]

    def row(self, client: Client) -> Socket | None:
        return client.row(self.launch.sockets)

    def rows(self) -> dict[Client, Socket | None]:
        """The same for every client that the server may know, in one look if they are many."""
        if len(self.known) < A_CROWD or not self.launch.listener:
            return {client: self.row(client) for client in self.known}
        table = self.launch.sockets.connections(self.launch.listener.address[1])
        return {client: client.note_row(table.get(client.local)) for client in self.known}

    def has_read(self, client: Client) -> bool:
        """Whether the server has taken all that this client sent: its receive queue there is empty and held."""
        if client.outbox or client.unacknowledged():
            return False
        row = self.row(client)
        if row is None:
            return client.arrived
        return row.state != ESTABLISHED or (row.inode != 0 and row.unread == 0)

    def has_sent(self, client: Client) -> bool:
        """Whether something of the server's lies in the kernel, sent and not taken; or its connection is over."""
        row = self.row(client)
        return row is None or row.unsent > 0 or row.state != ESTABLISHED

    def holders(self, client: Client) -> set[int]:
        """The processes that have a descriptor of the server's side of this connection."""
        row = self.row(client)
        if row is None or row.inode == 0:
            return set()
        wanted = f"socket:[{row.inode}]"
        return {pid for pid in self.living() if wanted in self.launch.proc.descriptors(pid).values()}

    def all_holders(self, clients: list[Client]) -> list[tuple[Client, set[int]]]:
        """The same for many clients, each process looked at once."""
        held: dict[str, set[int]] = {}
        for pid in self.living():
            for target in self.launch.proc.descriptors(pid).values():
                held.setdefault(target, set()).add(pid)
        rows = [(client, self.row(client)) for client in clients]
        return [(client, held.get(f"socket:[{row.inode}]", set()) if row else set()) for client, row in rows]

    def cpu(self) -> float:
        """Seconds of CPU time that the living family has used."""
        return sum(process.cpu for process in self.living().values())

    def wakes(self) -> int:
        """How often the server's threads have gone to sleep so far."""
        return sum(task.voluntary for task in self.tasks())

    def forgotten(self, client: Client) -> bool:
        """Whether no process holds the server's side of this connection any more."""
        row = self.row(client)
        return row is None or row.inode == 0

    def client_descriptors(self) -> int:
        """How many descriptors of clients' connections the living family has."""
        return len(self.client_sockets())

    def client_sockets(self) -> list[tuple[int, int, int]]:
        """The descriptors of clients' connections, ours or dead ones: process, number, inode.

        What it had before its first client, and what the kernel lists as something else than a connection to the
        port asked for, is the server's own business: a second port, a log at a UDP port, a pair of sockets, a spare.
        """
        held = [
            (pid, number, int(target[8:-1]))
            for (pid, number), target in self.table().items()
            if target.startswith("socket:[") and target not in self.before_clients
        ]
        if not held:
            return []
        ours = {row.inode for row in self.rows().values() if row}
        self.elsewhere |= {row.inode for row in self.launch.sockets.listeners()}
        return [
            (pid, number, inode)
            for pid, number, inode in held
            if inode in ours or (inode not in self.elsewhere and self.is_at_the_port(pid, number, inode))
        ]

    def is_at_the_port(self, pid: int, number: int, inode: int) -> bool:
        """Whether a socket that none of our clients has, any more, is or was the connection of one.

        One to the port asked for that somebody else has made is not, be it the server itself.
        """
        if self.is_at_work_with_epoll(pid):  # it may close it now, and would hear of it still while there is a copy
            return True
        port = self.launch.listener.address[1] if self.launch.listener else 0
        try:
            its_port, peer = self.launch.proc.ends(pid, number)
            here = its_port == port and (peer is None or peer in self.peers)
        except OSError as error:
            if error.errno in (errno.EBADF, errno.ESRCH):  # closed meanwhile
                return False
            # The kernel does not let us ask. One that is in no table is a dead connection, of whatever port.
            here = inode not in self.launch.sockets.elsewhere(port) | self.launch.proc.other_sockets()
        if not here:
            self.elsewhere.add(inode)
        return here

    def is_at_work_with_epoll(self, pid: int) -> bool:
        """A connection that is closed while somebody else has a copy of it stays in an epoll, epoll(7)."""
        proc = self.launch.proc
        has_one = holdings.EPOLL in proc.descriptors(pid).values()
        return has_one and any(task.state != "S" for task in proc.tasks(pid))

    def note_what_it_has(self) -> None:
        """It listens, and nobody has come yet. Once for a server: a second thread may leave less than the first."""
        self.before_clients = frozenset(self.table().values())
        self.threads_before = len(self.tasks())
        self.traces = Traces(self.launch.proc, self.main, self.launch.family())

    def passing_threads(self) -> int:
        """1 if it is proven that a thread of the main process has ended since it began to listen, else 0.

        A thread that lives is not counted, nor is one of another process.
        """
        return int(self.traces is not None and self.traces.threads())

    def passing_children(self) -> int:
        """How many processes, at least, the main one has made that have ended since it began to listen.

        Those that it has waited for count as one. Where a family is allowed this is as it should be: it says that
        children do end, and nothing of how many are left. 0 proves nothing: who ignores SIGCHLD leaves no trace.
        """
        return self.traces.children(self.launch.family()) if self.traces else 0

    def table(self) -> holdings.Table:
        """What every descriptor of the living family refers to, by process and number."""
        return holdings.table(self)

    def holder_of(self, client: Client) -> str:
        """Who holds the server's side of this connection, and what it does with it, in words."""
        return holdings.holder_of(self, client)

    def watched_events(self, client: Client) -> int | None:
        """The mask that any epoll of the family watches this client for, several together; None: none watches it.

        It goes by what is watched, and not by a number: a copy of the descriptor counts, and so does an epoll that
        another epoll watches. A mask without EPOLLIN and EPOLLOUT is one that is not armed.
        """
        row = self.row(client)
        if row is None or not row.inode:
            return None
        masks = [watch.events for _, _, watch in holdings.watches(self) if watch.inode == row.inode]
        return functools.reduce(operator.or_, masks) if masks else None

    def greenlets(self) -> int | None:
        """How many greenlets of the main process have not ended, but for the one that runs; None if it
        does not say. It is asked by a signal, which costs it a call begun again (PEP 475), and no more."""
        found = lines.greenlets(self.launch) if self.says_greenlets else None
        self.says_greenlets = found is not None
        return found

    def descriptors(self) -> int:
        """How many descriptors the main process has open."""
        return len(self.launch.proc.descriptors(self.main))

    def listens(self) -> bool:
        return any(row.inode == self.listener.inode for row in self.launch.sockets.listeners())

    # What the waiting loop asks (grader.waiting.Watched)

    def pump(self, seconds: float) -> None:
        """Move every client's bytes; wait at most so long for the next, and not at all if there is work. 0: move all
        that has come, however much it is."""
        self.turn(seconds)
        while self.hot and not seconds:
            self.turn(0)

    def turn(self, seconds: float) -> None:
        self.launch.sockets.forget()
        hot = list(self.hot)
        self.hot.clear()
        for client in hot or (None,):
            self.take_turn(client)
        for descriptor, _ in self.arrivals.poll(0 if hot else seconds):
            self.take_turn(self.by_descriptor[descriptor])

    def take_turn(self, client: Client | None) -> None:
        """Of a client that may have something to move; None: nobody has."""
        if client:
            client.pump()

    def matters(self) -> object:
        """All whose change means that the server is getting somewhere."""
        family = self.living()
        return (
            [(row.state, row.unread, row.unsent, row.inode) if row else None for row in self.rows().values()],
            sum(client.received for client in self.clients),
            [(pid, len(self.launch.proc.numbers(pid, "task"))) for pid in family],
            [sorted(self.launch.proc.descriptors(pid).items()) for pid in family],
        )

    @property
    def known(self) -> list[Client]:
        return self.clients + self.departed

    def sockets_for_proof(self) -> Sockets | None:
        """The facts for the prover, or None while something of ours is under way."""
        self.launch.sockets.forget()  # what was read before the threads were looked at proves nothing of them
        unread: dict[int, int] = {}
        full = False
        for door in self.launch.sockets.listeners():
            if self.launch.listener and door.address[1] == self.launch.listener.address[1]:
                unread[door.inode] = door.unread
                full = full or door.unread > door.unsent
        unwilling = set()
        for client, row in self.rows().items():
            if self.under_way(client, row, full):
                return None
            if row and row.inode:
                unread[row.inode] = row.unread
                if not client.reading:
                    unwilling.add(row.inode)
        return Sockets(unread, unwilling, self.internal)

    def sockets_as_they_are(self) -> Sockets | None:
        """The same for a wait that no verdict rests on: who sleeps although there is something to read peeks, or
        waits for more of it, and does so until we send it."""
        facts = self.sockets_for_proof()
        return facts and Sockets(dict.fromkeys(facts.unread, 0), facts.unwilling, facts.internal)

    @cached_property
    def internal(self) -> Callable[[str], bool]:
        return is_internal(self.launch.proc, self.launch.output.inode)

    @staticmethod
    def under_way(client: Client, row: Socket | None, full: bool) -> bool:
        """Whether the kernel still carries something between this client and the server."""
        if client.closed and row is None:  # also one that left before its connection was made
            return False
        if not client.connected and not client.ended:
            return not full
        if row is None or row.state == SYN_RECV:
            if not client.arrived and not client.ended and not client.closed:
                return not full
            return client.reading and not client.ended and not client.closed
        if client.closed and row.state == ESTABLISHED:
            return row.unread == 0
        if client.closed or client.ended:
            return False
        if client.under_way() or (client.unacknowledged() and row.unread == 0):
            return True
        return client.reading and (row.unsent > 0 or row.state in (FIN_WAIT1, LAST_ACK))

    def gone(self) -> bool:
        return self.launch.status is not None and not self.living()
