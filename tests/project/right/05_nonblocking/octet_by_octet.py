"""One octet a turn: recv(1), a parser of nine states, writes of 512 bytes, and never a nap.

Unusual: it burns its processor for ever, and a request of 100 bytes costs 100 rounds.
A hasty grader: calls a busy loop a fault (it is allowed here), or measures how fast it is.
"""

import argparse
import signal
import socket
from pathlib import Path
from urllib.parse import unquote


def options():
    """The command line."""
    html = (up / "html" for up in Path(__file__).resolve().parents if (up / "html").is_dir())
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7890)
    parser.add_argument("--root", default=next(html, "html"))
    return parser.parse_args()


TCHAR = frozenset(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


class Head:
    """A request head, octet by octet: each state is a method that returns the next one."""

    def __init__(self):
        self.size, self.state, self.fields = 0, self.in_method, []
        self.method, self.target, self.version = bytearray(), bytearray(), bytearray()

    def feed(self, octet):
        """True when this octet was the last one of the head; ValueError when it is no HTTP."""
        self.size += 1
        self.state = self.state(octet) if self.size <= 65536 else None
        if self.state is None:
            raise ValueError("no HTTP")
        return self.state == self.done

    def in_method(self, octet):
        if octet == 32 and self.method:
            return self.in_target
        self.method.append(octet)
        return self.in_method if octet in TCHAR else None

    def in_target(self, octet):
        if octet == 32 and self.target:
            return self.in_version
        self.target.append(octet)
        return self.in_target if octet > 32 and octet != 127 else None

    def in_version(self, octet):
        if octet == 13:
            return self.line_feed if self.version in (b"HTTP/1.0", b"HTTP/1.1") else None
        self.version.append(octet)
        return self.in_version

    def line_feed(self, octet):
        return self.line_start if octet == 10 else None

    def line_start(self, octet):
        if octet == 13:
            return self.last_feed
        if octet in b" \t" and self.fields:  # a folded line belongs to the one before
            return self.in_value(32)
        self.fields.append([bytearray([octet]), bytearray()])
        return self.in_name if octet in TCHAR else None

    def in_name(self, octet):
        if octet == 58:
            return self.in_value
        self.fields[-1][0].append(octet)
        return self.in_name if octet in TCHAR else None

    def in_value(self, octet):
        if octet == 13:
            return self.line_feed
        self.fields[-1][1].append(octet)
        return self.in_value if octet != 10 else None

    def last_feed(self, octet):
        return self.done if octet == 10 else None

    def done(self, octet):
        return None


def page(target):
    """The bytes of the file that the target names, or None."""
    try:
        path = unquote(bytes(target).split(b"?")[0].decode("utf-8"), errors="strict")
        path += "index.html" if path.endswith("/") else ""
        file = (ROOT / path.lstrip("/")).resolve()
        if path.startswith("/") and file.is_relative_to(ROOT) and file.is_file():
            return file.read_bytes()
    except (OSError, ValueError, RuntimeError):  # RuntimeError: links in a ring, before 3.13
        pass
    return None


class Client:
    def __init__(self, sock):
        self.sock, self.head, self.rest = sock, Head(), None
        sock.setblocking(False)

    def turn(self):
        """One look at the socket; False when this client is done with."""
        try:
            return self.write() if self.rest is not None else self.read()
        except BlockingIOError:
            return True
        except OSError:
            return False

    def read(self):
        octet = self.sock.recv(1)
        try:
            if octet and not self.head.feed(octet[0]):
                return True
        except ValueError:
            self.answer(400, b"This octet I did not expect.\n")
            return True
        if octet and self.head.method == b"GET":
            body = page(self.head.target)
            self.answer(404 if body is None else 200, b"Not found.\n" if body is None else body)
        elif octet:
            self.answer(405, b"GET, please.\n")
        return bool(octet)

    def answer(self, status, body):
        head = b"HTTP/1.0 %d x\r\nCONTENT-LENGTH: \t %d \t \r\nX-Empty:\r\n\r\n"
        self.rest = memoryview(head % (status, len(body)) + body)

    def write(self):
        for _ in range(64):
            self.rest = self.rest[self.sock.send(self.rest[:512]) :]
            if not self.rest:
                return False
        return True


def main():
    listener = socket.create_server((ASKED.host, ASKED.port), backlog=1000)
    listener.setblocking(False)
    print("http://%s:%d/" % listener.getsockname()[:2], flush=True)
    clients = []
    while True:
        try:
            clients.append(Client(listener.accept()[0]))
        except OSError:
            pass
        for client in clients[:]:
            if not client.turn():
                clients.remove(client)
                client.sock.close()


signal.signal(signal.SIGINT, signal.SIG_DFL)
ASKED = options()
ROOT = Path(ASKED.root).resolve()
main()
