"""Ends a connection three seconds after its answer, by its own clock, unless the client has left before.

Unusual: thousands of naps of a millisecond pass, in which nothing changes, before the end of the stream.
A hasty grader: calls it stuck for going round, and never lets its three seconds pass.
Slow: it is waited for again and again, which takes minutes; the whole corpus is tried with it, the sample is not.
"""

import argparse
import io
import mimetypes
import os
import re
import signal
import socket
import stat
import time
from errno import EAGAIN, ECONNABORTED, EHOSTUNREACH, EMFILE, ENETDOWN, ENETUNREACH, ENFILE, ENOBUFS, ENOMEM, EPROTO
from urllib.parse import unquote_to_bytes

HEAD = re.compile(rb"(\S+) (\S+) HTTP/1\.\d(?:\r\n[^\s:]+:[^\r\n]*)*")  # RFC 9112, sections 2 to 5
BLANK_LINE = b"\r\n\r\n"
HEAD_LIMIT = 65536  # bytes
SMALL = 16384  # bytes; up to here read() and send() cost less than sendfile()
# What the next try may not meet again, says accept(2): nobody there, a network that failed, no room.
PASSING = {EAGAIN, ECONNABORTED, EPROTO, ENETDOWN, ENETUNREACH, EHOSTUNREACH, EMFILE, ENFILE, ENOBUFS, ENOMEM}
NAP = 0.001  # seconds


def parse(head):
    """Return the method and the target (bytes) of a request head, or None and None if it is no HTTP.

    A head is bytes, without the blank line that ends it.
    """
    match = HEAD.fullmatch(head)
    return match.groups() if match else (None, None)


def resolve(root, target):
    """Return the path (bytes) that a target (bytes, as it was sent) names, or None if that is no name.

    The root is bytes too, and ends in a slash.
    """
    name = unquote_to_bytes(target.partition(b"?")[0])
    name += b"index.html" if name.endswith(b"/") else b""
    return None if b"\0" in name or b".." in name.split(b"/") else root + name


def load(root, path):
    """Open the regular file at a path, if it lies under the root; return None if there is none to be had.

    Return what is to be sent: bytes, then a file that follows them, and how much of it (0: nothing follows).
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # else a FIFO would wait for its writer
    except OSError as error:
        if error.errno in (EMFILE, ENFILE):  # no descriptor is left: the file may well be there
            raise
        return None
    status, place = os.fstat(fd), os.readlink(b"/proc/self/fd/%d" % fd)  # where every link has led
    if not stat.S_ISREG(status.st_mode) or not place.startswith(root):
        os.close(fd)
        return None
    if status.st_size > SMALL:
        return b"", open(fd, "rb", buffering=0), status.st_size
    data = os.read(fd, status.st_size)
    os.close(fd)
    return data, io.BytesIO(), 0


def respond(root, head):
    """Return the answer to a head: bytes, then a file that follows them, and how much of it."""
    method, target = parse(head)
    path = resolve(root, target) if method == b"GET" else None
    found = load(root, path) if path else None
    status = "200 OK" if found else "404 Not Found"
    if method != b"GET":
        status = "501 Not Implemented" if method else "400 Bad Request"
    data, file, size = found or (f"{status}\n".encode(), io.BytesIO(), 0)
    suffix = path.rpartition(b".")[2].decode("latin-1") if found else "txt"
    kind = mimetypes.types_map.get(f".{suffix}", "application/octet-stream")
    fields = f"Content-Type: {kind}\r\nContent-Length: {len(data) + size}\r\nConnection: "
    return f"HTTP/1.1 {status}\r\n{fields}close\r\n\r\n".encode() + data, file, size


class Connection:
    """One client: what it has sent, and what it has still to get."""

    def __init__(self, sock, root):
        sock.setblocking(False)  # accept() does not hand that down from the listener
        self.sock, self.root = sock, root
        self.inbox, self.outbox = b"", b""
        self.file, self.left = io.BytesIO(), 0  # after the outbox: a file, and how much of it is left
        self.answering = self.closed = False
        self.answered = None  # since when all is sent

    def advance(self):
        """Go as far as one can without waiting; tell whether anything has moved."""
        try:
            if self.answered:
                self.linger()
            elif not self.answering:
                self.receive()
            if self.answering:
                self.send()
        except BlockingIOError:
            return False
        except OSError:  # the client has vanished
            self.close()
        return True

    def receive(self):
        """Take what has come; once the head is whole, prepare the answer."""
        data = self.sock.recv(65536)
        self.inbox += data
        if BLANK_LINE in self.inbox:
            self.answer()
        elif not data or len(self.inbox) > HEAD_LIMIT:
            self.close()

    def answer(self):
        """Prepare the answer to the head that the inbox begins with."""
        self.outbox, self.file, self.left = respond(self.root, self.inbox.partition(BLANK_LINE)[0])
        self.answering = True

    def send(self):
        """Send as much of the answer as the kernel has room for; then close."""
        if self.outbox:
            # What follows may share the packet.
            self.outbox = self.outbox[self.sock.send(self.outbox, socket.MSG_MORE if self.left else 0) :]
        if self.left and not self.outbox:
            sent = os.sendfile(self.sock.fileno(), self.file.fileno(), None, self.left)
            self.left -= sent
            if not sent:  # the file has shrunk: only the end of the stream can say so
                self.close()
        if not self.outbox and not self.left and not self.closed:
            self.answered, self.answering = time.monotonic(), False
            self.file.close()

    def linger(self):
        """Close once the client has left or the time is over; what it says more is not read to the end."""
        if time.monotonic() > self.answered + 3 or not self.sock.recv(65536):
            self.close()

    def close(self):
        """Close the connection and the file."""
        self.closed = True
        self.sock.close()
        self.file.close()


def accept(listener):
    """Return the socket of the next client, or None if there is none."""
    try:
        return listener.accept()[0]
    except OSError as error:  # BlockingIOError, mostly
        if error.errno not in PASSING:
            raise
        return None


def serve_forever(listener, root):
    """Ask every socket in turn, round after round."""
    listener.setblocking(False)
    connections = []
    while True:
        while sock := accept(listener):
            connections.append(Connection(sock, root))
        moved = [connection.advance() for connection in connections]
        connections = [connection for connection in connections if not connection.closed]
        if not any(moved):
            time.sleep(NAP)


def main():
    """Read the arguments, listen, and serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", default=7890, type=int)
    parser.add_argument("--root", default=os.path.join(os.path.dirname(__file__), "../../html"))
    args = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends the server at once, as SIGTERM does
    # create_server() sets SO_REUSEADDR: one may listen again while old connections are in TIME_WAIT.
    with socket.create_server((args.host, args.port), backlog=socket.SOMAXCONN) as listener:
        print("http://{}:{}/".format(*listener.getsockname()), flush=True)
        serve_forever(listener, os.path.join(os.path.realpath(os.fsencode(args.root)), b""))


if __name__ == "__main__":
    main()
