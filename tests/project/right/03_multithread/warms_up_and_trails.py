"""Six seconds of warm-up; then chunks, trailers, and a head that goes out byte by byte.

Unusual: it computes for 6 s before it listens; one byte a send for the head; chunked coding with a trailer; another name by prctl, no output, and an end with status 0.
A hasty grader: calls the warm-up a spin, reads a status line with one recv, or takes the trailer for another answer.
Slow: it is waited for again and again, which takes minutes; the whole corpus is tried with it, the sample is not.
"""

import argparse
import contextlib
import ctypes
import errno
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


def hear(sock):
    """A request head, or None."""
    head = b""
    while b"\r\n\r\n" not in head:
        piece = sock.recv(8192)
        head += piece
        if not piece or len(head) > 65536:
            return None
    return head.partition(b"\r\n\r\n")[0]


def serve(sock, root):
    head = hear(sock)
    if head is None:
        return
    status, old, fd = judge(root, head)
    try:
        lines = [b"HTTP/1.%d %d %s" % (not old, status, WORDS[status])]
        lines += [] if old else [b"trailer:x-bytes", b"TRANSFER-ENCODING:\tchunked"]
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"\r\n".join([*lines, b"", b""]):
            sock.sendall(bytes([byte]))
        size, at = (len(PAGES[status]) if fd is None else os.fstat(fd).st_size), 0
        while at < size:
            piece = PAGES[status] if fd is None else os.pread(fd, min(size - at, 99_991), at)
            if not piece:
                return
            sock.sendall(piece if old else b"%x\r\n%s\r\n" % (len(piece), piece))
            at += len(piece)
        if not old:
            sock.sendall(b"0\r\nx-bytes:%d\r\n\r\n" % size)
    finally:
        if fd is not None:
            os.close(fd)


def work(sock, root):
    with sock, contextlib.suppress(OSError):
        serve(sock, root)


def main():
    args, root = arguments()
    for number in signal.SIGINT, signal.SIGTERM:
        signal.signal(number, lambda *_: os._exit(0))
    ctypes.CDLL(None).prctl(15, b"web", 0, 0, 0)
    while time.process_time() < 6:
        sum(range(10_000))
    with socket.create_server((args.host, args.port), backlog=256) as listener:
        print("http://%s:%d/" % listener.getsockname()[:2], flush=True)
        os.close(1)
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
