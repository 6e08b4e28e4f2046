"""What a server prints."""

import array
import fcntl
import os
import select
import termios
import threading
from collections import deque


class Output:
    """What a server prints, drained by a thread so that it never waits for us: the first and last parts.

    A pipe and not a file: a server that prints 100 MB fills no disk, and one that prints much is no slower.
    """

    HEAD, TAIL = 16 << 10, 64 << 10  # bytes

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe2(os.O_CLOEXEC)
        self.inode = os.fstat(self.reader).st_ino
        self.total = 0
        self.head = b""
        self.tail: deque[bytes] = deque()
        self.tail_size = 0
        self.closed = False
        self.lock = threading.Lock()
        self.bell = os.eventfd(0)  # rung when we are to read no more
        self.thread = threading.Thread(target=self.drain, daemon=True)
        self.thread.start()

    def drain(self) -> None:
        ready = select.poll()
        ready.register(self.reader)
        ready.register(self.bell, select.POLLIN)
        while self.bell not in dict(ready.poll()):
            with self.lock:  # so that what is no longer in the pipe is in our hands
                chunk = os.read(self.reader, 1 << 16)
                if not chunk:
                    return
                self.total += len(chunk)
                room = self.HEAD - len(self.head)
                if room > 0:
                    self.head, chunk = self.head + chunk[:room], chunk[room:]
                if chunk:
                    self.tail.append(chunk)
                    self.tail_size += len(chunk)
                while self.tail_size - len(self.tail[0] if self.tail else b"") > self.TAIL:
                    self.tail_size -= len(self.tail.popleft())

    def behind(self) -> bool:
        """Whether something that the server has printed still waits in the pipe."""
        with self.lock:
            return self.waiting() > 0

    def printed(self) -> int:
        """Bytes that the server has printed so far, those among them that nobody has taken out of the pipe yet."""
        with self.lock:
            return self.total + self.waiting()

    def waiting(self) -> int:
        size = array.array("i", [0])
        if not self.closed:
            fcntl.ioctl(self.reader, termios.FIONREAD, size)
        return size[0]

    def text(self, since: int = 0) -> str:
        """What was printed from byte `since` on; a cut in the middle is said where it is."""
        with self.lock:
            tail = b"".join(self.tail)
            lost = self.total - len(self.head) - len(tail)
            gap = b"\n[... %d bytes not kept ...]\n" % lost if lost else b""
            if since >= len(self.head) + lost:
                kept = tail[since - len(self.head) - lost :]
            else:
                kept = self.head[since:] + gap + tail
        return kept.decode("utf-8", "replace")

    def hang_up(self) -> None:
        """Read no more, as a terminal that is closed: who writes from now on gets EPIPE, or SIGPIPE."""
        os.eventfd_write(self.bell, 1)
        self.close()

    def abandon(self) -> None:
        """Nobody has been started that would write."""
        os.close(self.writer)
        self.close()

    def close(self) -> None:
        """After the family's end: wait for the pipe's last bytes. Every writer is dead, so they do end; unless one was
        handed to somebody else, or could not be ended."""
        self.thread.join(5)
        if self.thread.is_alive():
            os.eventfd_write(self.bell, 1)
            self.thread.join(5)
        with self.lock:
            if not self.thread.is_alive() and not self.closed:
                self.closed = True
                os.close(self.reader)
                os.close(self.bell)
