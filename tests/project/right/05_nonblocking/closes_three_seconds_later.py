"""Naps of a millisecond, and three seconds between the answer and the end.

Unusual: after its answer a connection lives on for 3 s, is read and not listened to, and then closed without a word; a nap a millisecond long between.
A hasty grader: counts turns in which nothing changes, and gives the server up before the end of the stream.
Slow: it is waited for again and again, which takes minutes; the whole corpus is tried with it, the sample is not.
"""

import argparse
import contextlib
import errno
import os
import re
import signal
import socket
import stat
import time
from urllib.parse import unquote_to_bytes

HEAD = re.compile(rb"(\S+) (\S+) HTTP/1\.(\d)(?:\r\n[^\s:]+:[^\r\n]*)*")

SHORT = True


PAGES = {400: b"This is no HTTP.\n", 404: b"There is no such file.\n", 405: b"Only GET is served here.\n"}
WORDS = {
    200: b"OK",
    301: b"Moved Permanently",
    400: b"Bad Request",
    404: b"Not Found",
    405: b"Method Not Allowed",
}


def name_of(target):
    """The name below the root, or None."""
    name = unquote_to_bytes(target.split(b"?", 1)[0])
    if not name.startswith(b"/") or b"\0" in name:
        return None
    return name + b"index.html" if name.endswith(b"/") else name


def find(root, target):
    """A descriptor of the file, or None; where it lies, the kernel says."""
    name = name_of(target)
    if name is None or b".." in name.split(b"/"):
        return None
    try:
        fd = os.open(root + name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise
        return None
    if stat.S_ISREG(os.fstat(fd).st_mode) and os.readlink(b"/proc/self/fd/%d" % fd).startswith(root + b"/"):
        return fd
    os.close(fd)
    return None


BODY = re.compile(rb"\r\n(?:content-length:[ \t]*0*[1-9]|transfer-encoding:)", re.I)


def wants_close(head):
    """Whether an option of the client's says `close`."""
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"connection" and b"close" in [
            each.strip(b" \t").lower() for each in value.split(b",")
        ]:
            return True
    return False


def judge(root, head):
    """Status, whether it is older than HTTP/1.1, whether it is the last, and the descriptor of a file or None."""
    found = HEAD.fullmatch(head)
    if not found:
        return 400, True, True, None
    method, target, minor = found.groups()
    old = minor != b"1"
    last = SHORT or old or bool(BODY.search(head)) or wants_close(head)
    if method != b"GET":
        return 405, old, last, None
    fd = find(root, target)
    return 404 if fd is None else 200, old, last, fd


def compose(status, old, last, size):
    """The head of an answer."""
    return b"HTTP/1.1 %d %s\r\nContent-Length: %d\r\nConnection: %s\r\n\r\n" % (
        status,
        WORDS[status],
        size,
        b"close" if last else b"keep-alive",
    )


class Client:
    """One client: what it has said, and what it is still to be told."""

    def __init__(self, sock, root):
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock, self.root = sock, root
        self.inbox, self.out, self.fd, self.at, self.left = b"", b"", None, 0, 0
        self.stay_until = None  # when it is to be closed
        self.ended = self.last = self.gone = False

    @property
    def busy(self):
        return bool(self.out) or self.left > 0

    def turn(self):
        """Hear or tell, once; whether anything has moved."""
        try:
            if self.busy:
                self.tell()
            else:
                self.hear()
            self.think()
        except BlockingIOError:
            return False
        except OSError:
            self.close()
        return True

    def hear(self):
        piece = self.sock.recv(16384)
        self.ended = not piece
        self.inbox += piece

    def tell(self):
        if self.out:
            self.out = self.out[self.sock.send(self.out) :]
        else:
            sent = os.sendfile(self.sock.fileno(), self.fd, self.at, min(self.left, 1 << 20))
            if not sent:
                raise ConnectionError("the file has shrunk")
            self.at, self.left = self.at + sent, self.left - sent

    def think(self):
        """What comes next, when there is nothing to tell."""
        while not self.busy and not self.gone:
            self.put_away()
            if self.last:
                self.stay_until = self.stay_until or time.monotonic() + 3
                self.inbox = b""
                if self.ended:
                    self.close()
                return
            head, blank, rest = self.inbox.partition(b"\r\n\r\n")
            if not blank:
                if self.ended or len(self.inbox) > 65536:
                    self.close()
                return
            self.inbox = rest
            self.answer(head)

    def answer(self, head):
        status, old, self.last, self.fd = judge(self.root, head)
        if self.fd is None:
            self.out = compose(status, old, self.last, len(PAGES[status])) + PAGES[status]
        else:
            self.at, self.left = 0, os.fstat(self.fd).st_size
            self.out = compose(status, old, self.last, self.left)

    def put_away(self):
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None

    def close(self):
        if not self.gone:
            self.gone = True
            self.put_away()
            self.sock.close()


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7890)
    parser.add_argument(
        "--root", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../html")
    )
    args = parser.parse_args()
    return args, os.path.realpath(os.fsencode(args.root)).rstrip(b"/")


def main():
    args, root = arguments()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    listener = socket.create_server((args.host, args.port), backlog=512)
    listener.setblocking(False)
    print("http://%s:%d/" % listener.getsockname()[:2], flush=True)
    clients = []
    while True:
        moved = False
        with contextlib.suppress(OSError):
            clients.append(Client(listener.accept()[0], root))
            moved = True
        for client in clients:
            moved = client.turn() or moved
        for client in clients:
            if client.stay_until and client.stay_until < time.monotonic():
                client.close()
        clients = [client for client in clients if not client.gone]
        if not moved:
            time.sleep(0.001)


if __name__ == "__main__":
    main()
