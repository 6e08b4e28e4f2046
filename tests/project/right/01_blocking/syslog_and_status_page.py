"""It logs to syslog, if there is one, and has a status page on a second port, opened first.

Unusual: a Unix datagram socket, tried anew for each line; a second listener, older than the real one, that is looked at between two clients.
A hasty grader: takes the first listening socket it finds for the server's, or any socket for a client's.
"""

import argparse
import contextlib
import errno
import os
import re
import signal
import socket
import stat
from urllib.parse import unquote_to_bytes

HEAD = re.compile(rb"(\S+) (\S+) HTTP/1\.(\d)(?:\r\n[^\s:]+:[^\r\n]*)*")


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


def judge(root, head):
    """Status, whether it is older than HTTP/1.1, and the descriptor of a file or None."""
    found = HEAD.fullmatch(head)
    if not found:
        return 400, True, None
    method, target, minor = found.groups()
    if method != b"GET":
        return 405, minor != b"1", None
    fd = find(root, target)
    return 404 if fd is None else 200, minor != b"1", fd


def compose(status, old, last, size):
    """The head of an answer."""
    return b"HTTP/1.1 %d %s\r\nContent-Length: %d\r\nConnection: %s\r\n\r\n" % (
        status,
        WORDS[status],
        size,
        b"close" if last else b"keep-alive",
    )


def hear(sock):
    """A request head, or None."""
    head = b""
    while b"\r\n\r\n" not in head:
        piece = sock.recv(8192)
        head += piece
        if not piece or len(head) > 65536:
            return None
    return head.partition(b"\r\n\r\n")[0]


def pour(sock, fd, size):
    """So many bytes of the file, or what there is of them."""
    at = 0
    while at < size:
        piece = os.pread(fd, min(size - at, 100_003), at)
        if not piece:
            return
        sock.sendall(piece)
        at += len(piece)


class Syslog:
    """/dev/log, where there is one."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.setblocking(False)

    def say(self, line):
        with contextlib.suppress(OSError):
            self.sock.sendto(b"<134>http: " + line, "/dev/log")


class Status:
    """A page for the operator; who wants it waits until a client has been served."""

    def __init__(self, host):
        self.served = 0
        self.listener = socket.create_server((host, 0))
        self.listener.setblocking(False)

    def look(self):
        with contextlib.suppress(OSError):
            sock, _ = self.listener.accept()
            with sock:
                sock.setblocking(False)
                text = b"%d clients so far\n" % self.served
                sock.send(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))


def serve(sock, root):
    """One client, from its head to the end of the stream."""
    head = hear(sock)
    if head is None:
        return
    status, old, fd = judge(root, head)
    if fd is None:
        sock.sendall(compose(status, old, True, len(PAGES[status])) + PAGES[status])
        return
    try:
        size = os.fstat(fd).st_size
        sock.sendall(compose(status, old, True, size))
        pour(sock, fd, size)
    finally:
        os.close(fd)


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
    status, log = Status(args.host), Syslog()
    with socket.create_server((args.host, args.port), backlog=128) as listener:
        print("http://%s:%d/" % listener.getsockname()[:2], flush=True)
        while True:
            sock, peer = listener.accept()
            log.say(b"a client at %s" % peer[0].encode())
            with sock, contextlib.suppress(OSError):
                serve(sock, root)
            status.served += 1
            status.look()


if __name__ == "__main__":
    main()
