"""A program of its own: one client that sends without end, as fast as it can, until its standard input ends.

    python flooder.py KIND HOST PORT DESCRIPTOR

KIND: "head", a head that never ends; "requests", whole ones, and the answers are read as fast as they come;
"unread", whole ones, and no answer is read. Where the server cuts it off it comes again, so that there is always
one that floods. It is no thread of the grader's, because it would have to share the interpreter with it; and it
imports nothing of ours, so that it starts at once. DESCRIPTOR: of a file in memory where it says how far it is,
five numbers of 8 bytes (tests/checks/flood.py reads them).
"""

import array
import fcntl
import mmap
import select
import socket
import sys
import termios
import time

SO_SNDBUFFORCE = 32  # asm-generic/socket.h; Python has no name for it
NUMBER, PORT, SENT, ACKED, TURNS = range(5)
PIECE = 1 << 18  # bytes
IN_HAND = 8 << 20  # bytes (twice so many, says socket(7)) that the kernel sends for us while others have the CPU
LINE = b"X-Long: ".ljust(1022, b"x") + b"\r\n"
HEAD = b"GET /page1.txt HTTP/1.1\r\nHost: kata.test\r\n"


def in_hand(sock: socket.socket) -> None:
    """Ask for a large send buffer; without the privilege the kernel's own choice must do, socket(7)."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, IN_HAND)
    except OSError:
        pass


def acknowledged(sock: socket.socket, sent: int) -> int:
    """How many of these bytes the other side's kernel has, tcp(7) SIOCOUTQ."""
    size = array.array("i", [0])
    fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, size)
    return sent - size[0]


def flood(sock: socket.socket, board: memoryview, first: bytes, piece: bytes, reads: bool) -> None:
    """Send until the connection ends, which raises OSError; return if the standard input does."""
    sock.setblocking(False)
    ready = select.poll()
    ready.register(0, select.POLLHUP)
    ready.register(sock, select.POLLOUT | (select.POLLIN if reads else 0))
    rest, sent = memoryview(first), 0
    while True:
        events = dict(ready.poll(1))
        if 0 in events:
            return
        try:
            taken = sock.send(rest)
            sent += taken
            rest = rest[taken:] or memoryview(piece)
        except BlockingIOError:
            pass
        if events.get(sock.fileno(), 0) & select.POLLIN:
            try:
                if not sock.recv(PIECE):  # whatever is sent now, until the reset comes
                    ready.modify(sock, select.POLLOUT)
            except BlockingIOError:
                pass
        board[SENT], board[ACKED] = sent, acknowledged(sock, sent)
        board[TURNS] += 1


def main() -> None:
    kind, host, port, descriptor = sys.argv[1:]
    board = memoryview(mmap.mmap(int(descriptor), 40)).cast("q")
    request = HEAD + LINE[:-2] + b"\r\n\r\n"
    first, piece = (HEAD, LINE) if kind == "head" else (b"", request)
    piece *= PIECE // len(piece)
    while not select.select([0], [], [], 0)[0]:
        sock = socket.socket()
        in_hand(sock)
        sock.settimeout(1)  # a full backlog: then the standard input is looked at again
        try:
            sock.connect((host, int(port)))
            board[NUMBER] += 1  # odd: what follows is being changed
            board[SENT], board[ACKED], board[PORT] = 0, 0, sock.getsockname()[1]
            board[NUMBER] += 1
            flood(sock, board, first or piece, piece, reads=kind != "unread")
        except ConnectionRefusedError:
            time.sleep(0.01)
        except OSError:
            pass
        sock.close()


if __name__ == "__main__":
    main()
