"""A raw-socket client that does one thing at a time and keeps a diary of it.

No method waits: what a server must do first is waited for in one place, `grader.waiting`.
"""

import array
import errno
import fcntl
import itertools
import os
import socket
import struct
import sys
import termios
import time
from typing import NamedTuple

from grader.kernel import ESTABLISHED, SYN_RECV, NetlinkSockets, ProcSockets, Socket
from grader.reply import Kept, Malformed, Reply, ReplyReader, excerpt
from grader.shortage import of_a_connection
from grader.words import plural

OTHERS = itertools.cycle(f"127.{number}.83.19" for number in range(2, 255))  # loopback addresses for clients
ENOUGH = 1 << 26  # bytes: more than any check asks for; a stream that goes on for ever is cut here
AT_ONCE = 1 << 20  # bytes that one client takes before the others have their turn
UNASKED = 8  # answers that nobody has asked for; of more no notice is taken
MOST_EVENTS = 600  # in a diary; of a longer one the middle is left out
MOST_PIECES, MOST_REPEATED = 12, 100_000  # of what was sent, kept as it was cut, and bytes in all of them


class Event(NamedTuple):
    """A line of the diary: seconds by time.monotonic(), what happened, and the bytes or words of it."""

    time: float
    #: connecting, connected, sent, asked (so many requests are whole now), sending (the kernel takes no more),
    #: all sent, in the backlog, accepted (both when a look found it so), received, replied, stops reading,
    #: reads on, half-closed, reset, closed, ended, malformed, left out
    what: str
    detail: str


def request(
    target: str, *, method: str = "GET", version: str = "1.1", headers: tuple[str, ...] = (), host: int = 0
) -> bytes:
    """A whole request head for `target` as it is to stand in the request line; `host` lines stand before Host."""
    lines = [f"{method} {target} HTTP/{version}", *headers[:host], "Host: kata.test", *headers[host:]]
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode("latin-1")


class Client:
    """One connection. `reading` off makes it a client that has stopped reading.

    `hot` is where it enters itself when it has something to do that no event of its socket announces.
    """

    def __init__(
        self,
        name: str,
        address: tuple[str, int],
        hot: "set[Client]",
        *,
        window: int = 0,
        source: tuple[str, int] | None = None,
        kept: Kept | None = None,
    ):
        self.name = name
        self.address = address
        self.hot = hot
        self.diary: list[Event] = []
        self._reading = True
        self.stop_at: int | None = None  # so many bytes received, and it stops reading
        self.taken = 0  # how many of the replies a check has looked at
        self.connected = False
        self.arrived = False  # the server's side of the connection has been seen
        self.ended = ""  # how the server ended it: "end of stream", "reset", "refused"
        self.malformed = ""
        self.urgent = False  # it has sent urgent data, and may be sent away for that
        self.closed = False
        self.outbox = b""
        self.held_back = False  # the kernel would not take all of it at once
        self.asked = 0  # how many whole heads have been sent
        self.part = b""  # the last bytes of one that is not whole
        self.inode = 0  # of the server's side of the connection, as last seen
        self.queued = False  # it has been seen in the backlog
        self.received = 0
        self.first_bytes = b""
        self.sent = bytearray()  # all of it, but of a stream without end
        self.pieces: list[bytes] | None = []  # the same as it was cut; None if that is too much to do again
        self.asked_at: list[float] = []  # when each whole head was sent, seconds by time.monotonic()
        self.checked = 0  # how many of the replies have been held against the rules
        self.reader = ReplyReader(kept)
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a piece goes when it is sent
        if window:  # before connecting, so that the window is never offered larger; socket(7) doubles it
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        if source:
            self.socket.bind(source)
        self.write("connecting", "{}:{}".format(*address))
        error = self.socket.connect_ex(address)
        if error == errno.EADDRNOTAVAIL and not source:  # no port is left here: there are other addresses
            self.socket.bind((next(OTHERS), 0))
            error = self.socket.connect_ex(address)
        of_a_connection(error)
        self.local: tuple[str, int] = self.socket.getsockname()
        if error == 0:
            self.note_connected()

    @property
    def replies(self) -> list[Reply]:
        return self.reader.replies

    def done(self) -> bool:
        """Whether it has an answer, or will get none."""
        return bool(self.replies or self.malformed or self.ended)

    def over(self) -> bool:
        """Whether the server has ended the connection."""
        return bool(self.ended)

    @property
    def reading(self) -> bool:
        return self._reading

    @reading.setter
    def reading(self, on: bool) -> None:
        if on != self._reading:
            self._reading = on
            self.write("reads on" if on else "stops reading")

    def write(self, what: str, detail: str = "") -> None:
        """Enter it in the diary. Of a run of pieces received only the first and the last are kept."""
        if what == "received" and [event.what for event in self.diary[-2:]] == ["received"] * 2:
            self.diary.pop()
        if len(self.diary) >= MOST_EVENTS:
            middle = slice(MOST_EVENTS // 2, MOST_EVENTS // 2 + 100)
            self.diary[middle] = [Event(self.diary[middle][0].time, "left out", "what happened often")]
        self.diary.append(Event(time.monotonic(), what, detail))

    def note_connected(self) -> None:
        self.connected = True
        self.local = self.socket.getsockname()
        self.write("connected")

    def send(self, data: bytes) -> None:
        """Send bytes, or as many as the connection takes now; `pump` sends the rest."""
        self.sent += data[: ENOUGH - len(self.sent)]
        if self.pieces is not None:
            self.pieces.append(data)
            if len(self.pieces) > MOST_PIECES or len(self.sent) > MOST_REPEATED:
                self.pieces = None
        self.outbox += data
        self.write("sent", excerpt(data))
        self.note_heads(data)
        self.push()
        if self.outbox and not self.held_back:
            self.held_back = True
            self.write("sending", f"{plural(len(self.outbox), 'byte')} of it not taken yet")

    def note_heads(self, data: bytes) -> None:
        """Enter it when a head is whole, that is when its blank line has been sent."""
        *whole, rest = (self.part + data).split(b"\r\n\r\n")
        self.part = rest[-3:]
        if whole:
            self.asked += len(whole)
            self.asked_at += [time.monotonic()] * len(whole)
            self.write("asked", f"{self.asked}{' and a part' if rest else ''}")

    @property
    def sent_bytes(self) -> bytes:
        """The first of what it has sent."""
        return bytes(self.sent[:4096])

    @property
    def last_sent(self) -> bytes:
        return bytes(self.sent[-4:])

    @property
    def half_closed(self) -> bool:
        return any(event.what == "half-closed" for event in self.diary)

    def push(self) -> None:
        while self.outbox and self.connected and not self.closed:
            try:
                self.outbox = self.outbox[self.socket.send(self.outbox) :]
            except BlockingIOError:
                return
            except OSError as error:
                self.outbox = b""
                self.take_rest()
                of_a_connection(error.errno or 0)
                self.end("reset", error.strerror or str(error))
        if self.held_back and not self.outbox:
            self.held_back = False
            self.write("all sent")

    def send_urgent(self) -> None:
        """One byte that is no part of the stream, tcp(7): urgent data."""
        self.urgent = True
        self.write("sent", "an urgent byte")
        try:
            self.socket.send(b"!", socket.MSG_OOB)
        except OSError as error:
            of_a_connection(error.errno or 0)
            self.end("reset", error.strerror or str(error))

    def half_close(self) -> None:
        """Shut down the sending side, shutdown(2) SHUT_WR."""
        self.write("half-closed")
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            self.take_rest()
            of_a_connection(error.errno or 0)
            self.end("reset", error.strerror or str(error))

    def take_rest(self) -> None:
        """What had come before the connection was reset is still there to be read."""
        while self.reading:
            try:
                data = self.socket.recv(1 << 18)
            except OSError:
                return
            if not data:
                return
            self.take(data)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.write("closed")
            self.socket.close()
            self.reader.let_go()

    def reset(self) -> None:
        """Vanish: the kernel sends RST instead of FIN, socket(7) SO_LINGER with a time of 0."""
        if not self.closed:
            self.closed = True
            self.write("reset")
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.socket.close()
            self.reader.let_go()

    def end(self, how: str, detail: str = "") -> None:
        if not self.ended:
            self.ended = how
            self.write("ended", f"{how}{': ' if detail else ''}{detail}")

    def stop_reading(self) -> None:
        self.reading = False
        self.write("stops reading")

    def read_on(self, most: int | None = None) -> None:
        """most: bytes, after which it stops reading again."""
        self.stop_at = None if most is None else self.received + most
        self.reading = True
        self.hot.add(self)

    def open_window(self) -> None:
        """A slow reader reads on, and faster."""
        self.read_on()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)

    def pump(self) -> None:
        """Move what can move now, without waiting; of what comes without end some, and then it is the others' turn."""
        if self.closed or self.ended:
            return
        if not self.connected:
            self.try_connect()
        if self.connected:
            self.push()
            most = self.received + AT_ONCE
            while self.reading and not self.ended and not self.closed:
                if self.received >= most:
                    self.hot.add(self)
                    break
                try:
                    data = self.socket.recv(1 << 18)
                except BlockingIOError:
                    break
                except OSError as error:
                    of_a_connection(error.errno or 0)
                    self.end("reset", error.strerror or str(error))
                    break
                self.take(data)

    def try_connect(self) -> None:
        error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            of_a_connection(error)
            self.end("refused", os.strerror(error))
            return
        try:
            self.socket.getpeername()
        except OSError:
            return
        self.note_connected()

    def take(self, data: bytes) -> None:
        self.received += len(data)
        if self.stop_at is not None and self.received >= self.stop_at:
            self.stop_at, self.reading = None, False
        self.first_bytes = (self.first_bytes + data)[:4096]
        if data:
            self.write("received", f"{plural(self.received, 'byte')} so far")
        known = len(self.replies)
        try:
            if not self.malformed:
                self.reader.feed(data, self.asked + UNASKED)
        except Malformed as error:
            self.malformed = str(error)
            self.write("malformed", self.malformed)
        for reply in self.replies[known:]:
            self.write("replied", f"{reply.status}, {plural(len(reply.body), 'byte')} of body")
        if not data:
            self.end("end of stream")
        elif why := self.too_much():
            self.malformed = self.malformed or why
            self.reset()

    def too_much(self) -> str:
        """Why no more is taken from this server, "" if all is well: whatever it sends, it is to cost us so much."""
        if len(self.replies) >= self.asked + UNASKED:
            return f"{UNASKED} answers came that nobody had asked for"
        if self.received > ENOUGH:
            return f"the answer goes on past {ENOUGH} bytes"
        kept = self.reader.kept
        return f"the answers go on past {kept.most} bytes in all" if kept.used > kept.most else ""

    def deeds(self) -> str:
        """What it has done so far, as a clause: "which has ..."."""
        half = " and shut down its sending side" if self.half_closed else ""
        part = bool(self.last_sent) and self.last_sent != b"\r\n\r\n"
        if self.closed:
            return f"which had sent part of a request{half}, and has left" if part else "which has left"
        if not self.reading:
            return "which has stopped reading"
        if not self.last_sent:
            return "which has sent nothing"
        if part:
            return f"which has sent part of a request{half}"
        return f"which has sent a whole request{half}" if not self.replies else "which has been answered"

    def idle_time(self) -> float:
        """Seconds between the last answer and the end of the connection, or now."""
        answered = max((event.time for event in self.diary if event.what == "replied"), default=0.0)
        over = [event.time for event in self.diary if event.what == "ended"]
        return (over[0] if over else time.monotonic()) - answered

    def row(self, sockets: NetlinkSockets | ProcSockets) -> Socket | None:
        """The server's side of this connection as the kernel has it; None if there is none (any more)."""
        return self.note_row(sockets.connection(self.address, self.local))

    def note_row(self, row: Socket | None) -> Socket | None:
        if row and row.state != SYN_RECV:
            self.arrived = True
            self.note_holder(row)
        return row

    def note_holder(self, row: Socket) -> None:
        """Enter it when a look finds the connection in the backlog, and when one finds it accepted."""
        if row.inode:
            if self.queued and not self.inode:
                self.write("accepted")
            self.inode = row.inode
        elif row.state == ESTABLISHED and not (self.inode or self.received or self.queued or self.closed):
            self.queued = True
            self.write("in the backlog")

    def unacknowledged(self) -> int:
        """Bytes that we have sent and the server's kernel has not taken yet, tcp(7) SIOCOUTQ."""
        if self.closed or self.ended:
            return 0
        size = array.array("i", [0])
        fcntl.ioctl(self.socket.fileno(), termios.TIOCOUTQ, size)
        return size[0]

    def under_way(self) -> bool:
        """Whether some of these bytes may still reach the server without its doing anything.

        Not so once the kernel only probes a window that is shut, RFC 9293, 3.8.6.1: all that was sent is
        acknowledged, and the timer of the probes has run at least once; tcp(7) TCP_INFO.
        """
        if not self.unacknowledged():
            return False
        info = self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 28)
        backoff, unacknowledged = info[4], int.from_bytes(info[24:28], sys.byteorder)
        return unacknowledged > 0 or backoff == 0
