"""Six seconds of hard thinking before the door opens.

Unusual: it computes for 6 s of processor time before it listens, and a second more for its very first answer.
A hasty grader: calls a server that computes and makes no system call a spinner, before it listens or between two clients.
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


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7890)
    parser.add_argument(
        "--root", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../html")
    )
    args = parser.parse_args()
    return args, os.path.realpath(os.fsencode(args.root)).rstrip(b"/")


def think(seconds):
    """Count primes for so many seconds of processor time."""
    end, count, number = time.process_time() + seconds, 0, 2
    while time.process_time() < end:
        for number in range(number, number + 500):
            count += all(number % each for each in range(2, int(number**0.5) + 1))
    return count


def main():
    args, root = arguments()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    print(think(6), "primes")
    first = True
    with socket.create_server((args.host, args.port), backlog=128) as listener:
        print("http://%s:%d/" % listener.getsockname()[:2], flush=True)
        while True:
            sock, _ = listener.accept()
            with sock, contextlib.suppress(OSError):
                if first:
                    think(1)
                    first = False
                serve(sock, root)


if __name__ == "__main__":
    main()
