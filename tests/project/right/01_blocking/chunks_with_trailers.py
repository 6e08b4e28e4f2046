"""Chunks with extensions, and trailers behind them; no length is ever stated to HTTP/1.1.

Unusual: chunked coding with chunk extensions, zeros before the sizes and two trailer fields; HTTP/1.0 is told HTTP/1.0, with a length.
A hasty grader: reads on to Content-Length, takes an extension for a size, or the trailers for a second answer.
"""

import argparse
import contextlib
import errno
import itertools
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


def hear(sock):
    """A request head, or None."""
    head = b""
    while b"\r\n\r\n" not in head:
        piece = sock.recv(8192)
        head += piece
        if not piece or len(head) > 65536:
            return None
    return head.partition(b"\r\n\r\n")[0]


def chunks(fd, size):
    """The file in pieces of odd sizes."""
    for length in itertools.cycle((1, 4093, 70001)):
        piece = os.read(fd, min(length, size))
        size -= len(piece)
        if not piece:
            return
        yield piece


def serve(sock, root):
    head = hear(sock)
    if head is None:
        return
    status, old, fd = judge(root, head)
    try:
        size = len(PAGES[status]) if fd is None else os.fstat(fd).st_size
        pieces = [PAGES[status]] if fd is None else chunks(fd, size)
        version = b"HTTP/1.0" if old else b"HTTP/1.1"
        framing = (
            b"Content-Length: %d" % size
            if old
            else b"Trailer: X-Pieces, X-Bytes\r\nTransfer-Encoding: chunked"
        )
        sock.sendall(b"%s %d %s\r\n%s\r\n\r\n" % (version, status, WORDS[status], framing))
        count = 0
        for count, piece in enumerate(pieces, 1):
            sock.sendall(piece if old else b'%08x;n=%d;q="a b"\r\n%s\r\n' % (len(piece), count, piece))
        if not old:
            sock.sendall(b"000;last\r\nX-Pieces: %d\r\nX-Bytes:%d\r\n\r\n" % (count, size))
    finally:
        if fd is not None:
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
    with socket.create_server((args.host, args.port), backlog=128) as listener:
        print("http://%s:%d/" % listener.getsockname()[:2], flush=True)
        while True:
            sock, _ = listener.accept()
            with sock, contextlib.suppress(OSError):
                serve(sock, root)


if __name__ == "__main__":
    main()
