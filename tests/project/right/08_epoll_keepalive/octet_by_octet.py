"""One event at a time, one octet at a time: epoll is asked again for every single octet.

Unusual: poll(maxevents=1), recv(1), and answers in writes of 1400 bytes and less.
A hasty grader: gives a request of 8192 octets a time limit, or reads one recv as one answer.
"""

import argparse
import select
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

    def value(self, name):
        """All the values of that name, in one line of small letters."""
        same = (value for key, value in self.fields if key.lower() == name)
        return b",".join(value.strip(b" \t") for value in same).lower()


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
        sock.setblocking(False)
        self.sock, self.head, self.rest, self.skip, self.last = sock, Head(), b"", 0, False

    def happen(self):
        """Reads an octet or writes a few; tells what to wait for, or None at the end."""
        if self.rest:
            self.rest = self.rest[self.sock.send(self.rest[:1400]) :]
        else:
            octet = self.sock.recv(1)
            if not octet:
                return None
            self.take(octet[0])
        if self.last and not self.rest:
            return None
        return select.EPOLLOUT if self.rest else select.EPOLLIN

    def take(self, octet):
        if self.skip:
            self.skip -= 1
            return
        try:
            if not self.head.feed(octet):
                return
        except ValueError:
            self.say(400, b"That octet was wrong.\n", True)
            return
        head, self.head = self.head, Head()
        length = head.value(b"content-length") or b"0"
        words = [word.strip() for word in head.value(b"connection").split(b",")]
        strange = bool(head.value(b"transfer-encoding")) or not length.isdigit()
        last = strange or head.version == b"HTTP/1.0" or b"close" in words
        self.skip = 0 if last else int(length[:15])
        body = page(head.target) if head.method == b"GET" else b"GET, octet by octet.\n"
        status = 405 if head.method != b"GET" else 404 if body is None else 200
        self.say(status, b"None of my octets.\n" if body is None else body, last)

    def say(self, status, body, last):
        word = b"close" if last else b"keep-alive"
        front = b"HTTP/1.1 %d \r\nconnection:%b\r\ncontent-length:%d\r\n\r\n"
        self.rest, self.last = memoryview(front % (status, word, len(body)) + body), last


def main():
    listener = socket.create_server((ASKED.host, ASKED.port), backlog=2222)
    listener.setblocking(False)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print("http://%s:%d/" % listener.getsockname()[:2], flush=True)
    epoll, clients = select.epoll(), {}
    epoll.register(listener, select.EPOLLIN)
    while True:
        for fd, _ in epoll.poll(None, 1):
            if fd == listener.fileno():
                try:
                    sock = listener.accept()[0]
                    clients[sock.fileno()] = Client(sock)
                    epoll.register(sock, select.EPOLLIN)
                except OSError:
                    pass
                continue
            try:
                wanted = clients[fd].happen()
            except BlockingIOError:
                continue
            except OSError:
                wanted = None
            if wanted is None:
                clients.pop(fd).sock.close()
            else:
                epoll.modify(fd, wanted)


signal.signal(signal.SIGINT, signal.SIG_DFL)
ASKED = options()
ROOT = Path(ASKED.root).resolve()
main()
