"""recv_into a buffer for each client, and one byte at a time for the head.

Unusual: the head of an answer goes out in pieces of one byte under TCP_NODELAY; all that comes is printed; prctl gives it another name; 404 has 100 KB.
A hasty grader: reads a status line with one recv, or needs the output of the server to be short.
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
from urllib.parse import unquote_to_bytes

import gevent
import gevent.event
import gevent.pool
import gevent.queue
import gevent.server
import gevent.socket

HEAD = re.compile(rb"(\S+) (\S+) HTTP/1\.(\d)(?:\r\n[^\s:]+:[^\r\n]*)*")


PAGES = {400: b"This is no HTTP.\n", 404: b"There is no such file.\n", 405: b"Only GET is served here.\n"}
WORDS = {
    200: b"OK",
    301: b"Moved Permanently",
    400: b"Bad Request",
    404: b"Not Found",
    405: b"Method Not Allowed",
}
PAGES[404] += b"We are sorry. " * 7400


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
    """A request head, or None; all of it is printed."""
    room, have = bytearray(65537), 0
    while have < len(room):
        count = sock.recv_into(memoryview(room)[have : have + 7000])
        with contextlib.suppress(OSError):
            print(bytes(room[have : have + count]))
        have += count
        end = room.find(b"\r\n\r\n", 0, have)
        if end >= 0 or not count:
            return bytes(room[:end]) if end >= 0 else None
    return None


def pour(sock, fd, size):
    """So many bytes of the file, or what there is of them."""
    at = 0
    while at < size:
        piece = os.pread(fd, min(size - at, 100_003), at)
        if not piece:
            return
        sock.sendall(piece)
        at += len(piece)


def put(sock, head):
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for number in range(len(head)):
        sock.sendall(head[number : number + 1])


def serve(sock, root):
    """One client, from its head to the end of the stream."""
    head = hear(sock)
    if head is None:
        return
    status, old, fd = judge(root, head)
    if fd is None:
        put(sock, compose(status, old, True, len(PAGES[status])))
        sock.sendall(PAGES[status])
        return
    try:
        size = os.fstat(fd).st_size
        put(sock, compose(status, old, True, size))
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


def listen(address):
    """A listener that lets others run while it waits."""
    return gevent.socket.socket(fileno=socket.create_server(address, backlog=512).detach())


def main():
    ctypes.CDLL(None).prctl(15, b"nothing", 0, 0, 0)
    args, root = arguments()
    gevent.signal_handler(signal.SIGINT, os._exit, 0)
    gevent.signal_handler(signal.SIGTERM, os._exit, 0)
    listener = listen((args.host, args.port))
    print("http://%s:%d/" % listener.getsockname()[:2], flush=True)
    while True:
        try:
            sock, _ = listener.accept()
        except OSError:
            gevent.sleep(0.05)
            continue
        gevent.spawn(work, sock, root)
        del sock


def work(sock, root):
    with sock, contextlib.suppress(OSError):
        serve(sock, root)


if __name__ == "__main__":
    main()
