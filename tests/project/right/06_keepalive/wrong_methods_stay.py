"""405 keeps the connection, whatever body comes: it is skipped, and the next request is answered.

Unusual: 405 with Allow and 50 KB of explanation; 404 with 100 KB; 301 with a length for a folder without its slash; a body on GET is skipped as well.
A hasty grader: believes that an error closes, or that it is short.
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
from urllib.parse import quote_from_bytes, unquote_to_bytes

HEAD = re.compile(rb"(\S+) (\S+) HTTP/1\.(\d)(?:\r\n[^\s:]+:[^\r\n]*)*")

SHORT = False


PAGES = {
    301: b"It is a folder: see there.\n",
    400: b"A request has three words: a method, a target and a version.\n" * 300,
    404: b"We have looked everywhere, and then once more, and we are sorry.\n" * 1600,
    405: b"Nothing here can be changed, deleted, patched or brewed.\n" * 900,
}
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
    """A descriptor of the file, or None; the path is made real, and for good measure once more."""
    name = name_of(target)
    if name is None:
        return None
    place = os.path.realpath(os.path.realpath(root + name))
    if not place.startswith(root + b"/"):
        return None
    try:
        fd = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise
        return None
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    return None


LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([^\r\n]*?)[ \t]*(?=\r\n|$)", re.I)
CODED = re.compile(rb"\r\ntransfer-encoding:", re.I)


def wants_close(head):
    """Whether an option of the client's says `close`."""
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"connection" and b"close" in [
            each.strip(b" \t").lower() for each in value.split(b",")
        ]:
            return True
    return False


def body_of(head):
    """How long the body is; None if nobody knows."""
    lengths = set(LENGTH.findall(head))
    if not lengths and not CODED.search(head):
        return 0
    if CODED.search(head) or len(lengths) > 1 or not re.fullmatch(rb"[0-9]{1,15}", (length := lengths.pop())):
        return None
    return int(length)


def folder(root, target):
    """The address of the folder that is asked for without its slash, or None."""
    name = name_of(target)
    if name is None or name.endswith(b"/index.html"):
        return None
    place = os.path.realpath(root + name)
    if place.startswith(root + b"/") and os.path.isdir(place):
        return quote_from_bytes(place[len(root) :] + b"/").encode()
    return None


def judge(root, head):
    """Status, older than HTTP/1.1 or not, last or not, descriptor or None, bytes to skip, and more header lines."""
    found = HEAD.fullmatch(head)
    if not found:
        return 400, True, True, None, 0, b""
    method, target, minor = found.groups()
    old, body = minor != b"1", body_of(head)
    last = SHORT or old or body is None or wants_close(head)
    if method != b"GET":
        return 405, old, last, None, body or 0, b"Allow: GET\r\n"
    fd = find(root, target)
    if fd is not None:
        return 200, old, last, fd, body or 0, b""
    place = folder(root, target)
    if place:
        return 301, old, last, None, body or 0, b"Location: %s\r\n" % place
    return 404, old, last, None, body or 0, b""


def compose(status, old, last, size, fields=b""):
    """The head of an answer."""
    return b"HTTP/1.1 %d %s\r\nContent-Length: %d\r\n%sConnection: %s\r\n\r\n" % (
        status,
        WORDS[status],
        size,
        fields,
        b"close" if last else b"keep-alive",
    )


class Client:
    """One client: what it has said, and what it is still to be told."""

    def __init__(self, sock, root):
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock, self.root = sock, root
        self.inbox, self.out, self.fd, self.at, self.left = b"", b"", None, 0, 0
        self.skip = 0  # bytes of a body that nobody wants
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
            skipped = min(self.skip, len(self.inbox))
            self.inbox, self.skip = self.inbox[skipped:], self.skip - skipped
            if self.skip and not self.ended and not self.last:
                return
            if self.last:
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
        status, old, self.last, self.fd, self.skip, fields = judge(self.root, head)
        if self.fd is None:
            self.out = compose(status, old, self.last, len(PAGES[status]), fields) + PAGES[status]
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
        clients = [client for client in clients if not client.gone]
        if not moved:
            time.sleep(0.002)


if __name__ == "__main__":
    main()
