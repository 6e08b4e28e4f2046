"""A status page on a second port, opened when the real one is, with a thread that serves it.

Unusual: the second listener is younger than the first and has a thread of its own; interim answers 100, 102 and 103 come before each real one.
A hasty grader: takes the last listener for the server's, or the first status line for the answer's.
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
import threading
import time
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


def compose(status, old, last, size):
    """The head of an answer, behind three that are none yet; HTTP/1.0 knows of no such thing."""
    interim = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 \r\nLink: </>\r\n\r\n"
    )
    head = b"HTTP/1.1 %d \r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % (status, size)
    return head if old else interim + head


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
        sent = os.sendfile(sock.fileno(), fd, at, min(size - at, 1 << 20))
        if not sent:
            return
        at += sent


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


served = itertools.count()


def tell_status(listener):
    while True:
        with contextlib.suppress(OSError):
            sock, _ = listener.accept()
            with sock:
                sock.settimeout(5)
                sock.recv(4096)
                text = b"%r, %d threads\n" % (served, threading.active_count())
                sock.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + text)


def work(sock, root):
    next(served)
    with sock, contextlib.suppress(OSError):
        serve(sock, root)


def main():
    args, root = arguments()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    listener = socket.create_server((args.host, args.port), backlog=256)
    status = socket.create_server((args.host, 0))
    threading.Thread(target=tell_status, args=(status,), daemon=True).start()
    print("http://%s:%d/" % listener.getsockname()[:2], "status: %d" % status.getsockname()[1], flush=True)
    while True:
        try:
            sock, _ = listener.accept()
            threading.Thread(target=work, args=(sock, root), daemon=True).start()
        except (OSError, RuntimeError):
            time.sleep(0.05)
        sock = None


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7890)
    parser.add_argument(
        "--root", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../html")
    )
    args = parser.parse_args()
    return args, os.path.realpath(os.fsencode(args.root)).rstrip(b"/")


if __name__ == "__main__":
    main()
