"""Step 8: epoll and long connections: thousands of clients who say little.

An idle client costs a descriptor and an entry in a dictionary: a thousand of them cost no time.

See step 7 connect anew for every request (in bash):

    $ python solutions/07_epoll/server.py --port 7890 &
    http://127.0.0.1:7890/
    $ curl -sS -m 3 -o /dev/null -w '%{num_connects}\\n' 'http://127.0.0.1:7890/?[1-2]'
    1
    1
"""

import argparse
import io
import mimetypes
import os
import re
import resource
import select
import signal
import socket
import stat
import time
from errno import EAGAIN, ECONNABORTED, EHOSTUNREACH, EMFILE, ENETDOWN, ENETUNREACH, ENFILE, ENOBUFS, ENOMEM, EPROTO
from urllib.parse import unquote_to_bytes

HEAD = re.compile(rb"(\S+) (\S+) HTTP/1\.\d(?:\r\n[^\s:]+:[^\r\n]*)*")  # RFC 9112, sections 2 to 5
BODY = re.compile(rb"\r\n(?:content-length:[ \t]*0*[1-9]|transfer-encoding:)", re.I)
BLANK_LINE = b"\r\n\r\n"
HEAD_LIMIT = 65536  # bytes
SMALL = 16384  # bytes; up to here read() and send() cost less than sendfile()
# What the next try may not meet again, says accept(2): nobody there, a network that failed, no room.
PASSING = {EAGAIN, ECONNABORTED, EPROTO, ENETDOWN, ENETUNREACH, EHOSTUNREACH, EMFILE, ENFILE, ENOBUFS, ENOMEM}


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


def respond(root, head, last):
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
    return f"HTTP/1.1 {status}\r\n{fields}{'close' if last else 'keep-alive'}\r\n\r\n".encode() + data, file, size


def is_last(head):
    """Tell whether the connection ends with the answer to this head [RFC 9112, 9.3]."""
    # A body would have to be read before the next head could be; what is no HTTP may end anywhere.
    if BODY.search(head) or parse(head)[0] is None:
        return True
    # TODO 3: look at the version, and at Connection, a list of options.
    raise NotImplementedError("TODO 3: look at the version, and at Connection, a list of options.")


class Connection:
    """One client: what it has sent, and what it has still to get."""

    def __init__(self, sock, root):
        sock.setblocking(False)  # accept() does not hand that down from the listener
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # do not wait for an ACK
        self.sock, self.root = sock, root
        self.inbox, self.outbox = b"", b""
        self.file, self.left = io.BytesIO(), 0  # after the outbox: a file, and how much of it is left
        self.answering = self.closed = False

    def advance(self):
        """Go as far as one can without waiting; tell whether anything has moved."""
        try:
            if not self.answering:
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
        # TODO 2: take the first head and leave the rest; is this answer the last?
        raise NotImplementedError("TODO 2: take the first head and leave the rest; is this answer the last?")

    def send(self):
        """Send as much of the answer as the kernel has room for; then close, or go on."""
        if self.outbox:
            # What follows may share the packet.
            self.outbox = self.outbox[self.sock.send(self.outbox, socket.MSG_MORE if self.left else 0) :]
        if self.left and not self.outbox:
            sent = os.sendfile(self.sock.fileno(), self.file.fileno(), None, self.left)
            self.left -= sent
            if not sent:  # the file has shrunk: only the end of the stream can say so
                self.close()
        if not self.outbox and not self.left:
            # TODO 4: the answer is sent: what is to be closed, what comes next?
            raise NotImplementedError("TODO 4: the answer is sent: what is to be closed, what comes next?")

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
    """Sleep until the kernel names sockets that are ready, and serve those."""
    listener.setblocking(False)
    epoll = select.epoll()
    epoll.register(listener, select.EPOLLIN)
    connections = {}
    while True:
        # TODO 1: sleep until sockets are ready, serve them, watch what is due.
        raise NotImplementedError("TODO 1: sleep until sockets are ready, serve them, watch what is due.")


def main():
    """Read the arguments, listen, and serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", default=7890, type=int)
    parser.add_argument("--root", default=os.path.join(os.path.dirname(__file__), "../../html"))
    args = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends the server at once, as SIGTERM does
    # A descriptor for every client: as many as one may have, so the soft limit is the hard one.
    resource.setrlimit(resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE)[1:] * 2)
    # create_server() sets SO_REUSEADDR: one may listen again while old connections are in TIME_WAIT.
    with socket.create_server((args.host, args.port), backlog=socket.SOMAXCONN) as listener:
        print("http://{}:{}/".format(*listener.getsockname()), flush=True)
        serve_forever(listener, os.path.join(os.path.realpath(os.fsencode(args.root)), b""))


if __name__ == "__main__":
    main()
