"""Step 5: one thread asks every socket in turn.

A non-blocking socket never makes anybody wait: a call does what can be done at once, or raises
BlockingIOError. How far each client has come must be remembered: hence the class.

See step 4 fail where there is nothing but Python's own library (in bash):

    $ python -S solutions/04_gevent/server.py --port 7890
    ModuleNotFoundError: No module named 'gevent'
"""

import argparse
import mimetypes
import os
import re
import signal
import socket
import time
from pathlib import Path
from urllib.parse import unquote_to_bytes

HEAD = re.compile(rb"(\S+) (\S+) HTTP/1\.\d(?:\r\n[^\s:]+:[^\r\n]*)*")  # RFC 9112, sections 2 to 5
BLANK_LINE = b"\r\n\r\n"
HEAD_LIMIT = 65536  # bytes
NAP = 0.001  # seconds


def parse(head):
    """Return the method and the target of a request head, or None and None if it is no HTTP."""
    match = HEAD.fullmatch(head)
    return match.groups() if match else (None, None)


def resolve(root, target):
    """Return the path of the regular file under the root that a target names, or None."""
    try:
        name = unquote_to_bytes(target.partition(b"?")[0]).decode()
        if name.endswith("/"):
            name += "index.html"
        # The dot keeps "/name" from being absolute; realpath() follows every ".." and symbolic link.
        path = Path(os.path.realpath(root / f".{name}", strict=True))
        # A regular file, since to open a FIFO is to wait for its writer.
        servable = path.is_relative_to(root) and path.is_file() and os.access(path, os.R_OK)
    except (OSError, ValueError):  # there is no such file; or it is no name: a NUL byte, no UTF-8
        return None
    return path if servable else None


def respond(root, head):
    """Return the bytes that begin the answer, then the open file that follows them (or None) and its size."""
    method, target = parse(head)
    path = resolve(root, target) if method == b"GET" else None
    if method is None:
        status = "400 Bad Request"
    elif method != b"GET":
        status = "501 Not Implemented"
    else:
        status = "200 OK" if path else "404 Not Found"
    text = "" if path else f"{status}\n"
    file = open(path, "rb") if path else None
    size = os.fstat(file.fileno()).st_size if file else 0
    kind = mimetypes.types_map.get(path.suffix, "application/octet-stream") if path else "text/plain"
    lines = (
        f"HTTP/1.1 {status}",
        f"Content-Type: {kind}",
        f"Content-Length: {size + len(text)}",
        "Connection: close",
    )
    return "\r\n".join([*lines, "", text]).encode(), file, size


class Connection:
    """One client: what it has sent, and what it has still to get."""

    def __init__(self, sock, root):
        # TODO 3: see to it that no call on this socket waits.
        # BEGIN SOLUTION
        sock.setblocking(False)  # accept() does not hand that down from the listener
        # END SOLUTION
        self.sock, self.root = sock, root
        self.inbox, self.outbox = b"", memoryview(b"")
        self.file, self.left = None, 0  # what follows the outbox: a file, and how much of it is left to send
        self.answering = self.closed = False

    def advance(self):
        """Go as far as one can without waiting; tell whether anything has moved."""
        # TODO 4: receive or send; the socket may be unready, the client gone.
        # BEGIN SOLUTION
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
        # END SOLUTION

    def receive(self):
        """Take what has come; once the head is whole, prepare the answer."""
        # TODO 5: add to the inbox; answer or close if it is time to.
        # BEGIN SOLUTION
        data = self.sock.recv(65536)
        self.inbox += data
        if BLANK_LINE in self.inbox:
            self.answer()
        elif not data or len(self.inbox) > HEAD_LIMIT:
            self.close()
        # END SOLUTION

    def answer(self):
        """Prepare the answer to the head that the inbox begins with."""
        data, self.file, self.left = respond(self.root, self.inbox.partition(BLANK_LINE)[0])
        self.outbox, self.answering = memoryview(data), True

    def send(self):
        """Send as much of the answer as the kernel has room for; then close."""
        # TODO 6: send the outbox, then the file, as far as it goes; then close.
        # BEGIN SOLUTION
        if self.outbox:
            more = socket.MSG_MORE if self.left else 0  # what follows may share the packet
            self.outbox = self.outbox[self.sock.send(self.outbox, more) :]
        if self.left and not self.outbox:
            sent = os.sendfile(self.sock.fileno(), self.file.fileno(), None, self.left)
            self.left -= sent
            if not sent:  # the file has shrunk: only the end of the stream can say so
                self.close()
        if not self.outbox and not self.left:
            self.close()
        # END SOLUTION

    def close(self):
        """Close the connection, and the file if there is one."""
        self.closed = True
        self.sock.close()
        if self.file:
            self.file.close()


def accept(listener):
    """Return the connection to the next client, or None if there is none."""
    # TODO 1: take a client if one waits and there is a descriptor for it.
    # BEGIN SOLUTION
    try:
        return listener.accept()[0]
    except OSError:  # BlockingIOError, mostly; or that client has left, or there is no descriptor for it
        return None
    # END SOLUTION


def serve_forever(listener, root):
    """Ask every socket in turn, round after round."""
    listener.setblocking(False)
    connections = []
    while True:
        while sock := accept(listener):
            connections.append(Connection(sock, root))
        # TODO 2: let all advance, forget the closed ones, nap if nothing moved.
        # BEGIN SOLUTION
        moved = [connection.advance() for connection in connections]
        connections = [connection for connection in connections if not connection.closed]
        if not any(moved):
            time.sleep(NAP)
        # END SOLUTION


def main():
    """Read the arguments, listen, and serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", default=7890, type=int)
    parser.add_argument("--root", default=Path(__file__).resolve().parents[2] / "html", type=Path)
    args = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends the server at once, as SIGTERM does
    # create_server() sets SO_REUSEADDR: one may listen again while old connections are in TIME_WAIT.
    with socket.create_server((args.host, args.port), backlog=socket.SOMAXCONN) as listener:
        print("http://{}:{}/".format(*listener.getsockname()), flush=True)
        serve_forever(listener, args.root.resolve())


if __name__ == "__main__":
    main()
