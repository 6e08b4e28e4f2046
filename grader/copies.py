"""TCP sockets where netlink is closed to us: what the server holds is asked by a copy of it, pidfd_getfd(2).

A copy costs microseconds. But a connection that is closed while there is a copy of it stays in an epoll, epoll(7): so
none is made of a server that has one. The table of /proc, which the kernel walks whole for each reading (tens of
milliseconds, and more with many sockets in TIME_WAIT), is left for what nobody holds: backlogs, and connections that
are over.
"""

import array
import fcntl
import socket
import termios
from collections.abc import Callable, Iterable

from grader.kernel import End, Proc, ProcSockets, Socket

Ends = tuple[End, End]  # the server's, and the client's


class HeldSockets(ProcSockets):
    """family: the processes that may hold a connection."""

    def __init__(self, proc: Proc, family: Callable[[], Iterable[int]]):
        super().__init__(proc)
        self.family = family
        self.places: dict[Ends, tuple[int, int, str]] = {}  # process, descriptor, and what it refers to
        self.known: set[tuple[int, int, str]] = set()
        self.looked = False  # since `forget`
        self.asks = True  # it has never had an epoll

    def forget(self) -> None:
        super().forget()
        self.looked = False

    def connection(self, local: End, peer: End) -> Socket | None:
        return self.held(local, peer) or super().connection(local, peer)

    def held(self, local: End, peer: End) -> Socket | None:
        """The socket with these ends as a process of the family has it; None if none does, or we may not ask."""
        ends = local, peer
        place = self.places.get(ends)
        if (place is None or self.proc.descriptor(*place[:2]) != place[2]) and not self.looked:
            self.look()
            place = self.places.get(ends)
        if place is None or self.proc.descriptor(*place[:2]) != place[2]:
            return None
        if not self.asks:
            return None
        try:
            with self.proc.copy(*place[:2]) as copy:
                state = copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
                unread, unsent = size(copy, termios.FIONREAD), size(copy, termios.TIOCOUTQ)
        except OSError:
            return None
        if self.proc.descriptor(*place[:2]) != place[2]:  # it may be another's copy
            return None
        return Socket(state, unread, unsent, int(place[2][8:-1]), local)

    def look(self) -> None:
        """Note the ends of connections that have not been seen before."""
        self.looked = True
        everything = {
            (pid, number, target) for pid in self.family() for number, target in self.proc.descriptors(pid).items()
        }
        if any(target in ("anon_inode:[eventpoll]", "anon_inode:[io_uring]") for _, _, target in everything):
            self.asks = False
        held = {place for place in everything if place[2].startswith("socket:[") and self.asks}
        self.places = {ends: place for ends, place in self.places.items() if place in held}
        for place in held - self.known:
            if found := self.ends_of(*place[:2]):
                self.places[found] = place
        self.known = held

    def ends_of(self, pid: int, number: int) -> Ends | None:
        try:
            with self.proc.copy(pid, number) as copy:
                if copy.family not in (socket.AF_INET, socket.AF_INET6) or copy.type != socket.SOCK_STREAM:
                    return None
                local, peer = copy.getsockname()[:2], copy.getpeername()[:2]
        except OSError:
            return None
        return end(*local), end(*peer)


def end(host: str, port: int) -> End:
    return host.removeprefix("::ffff:"), port


def size(copy: socket.socket, question: int) -> int:
    """Bytes that wait to be read (FIONREAD), or are not acknowledged (TIOCOUTQ): tcp(7)."""
    answer = array.array("i", [0])
    fcntl.ioctl(copy.fileno(), question, answer)
    return answer[0]
