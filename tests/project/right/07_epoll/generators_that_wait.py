"""A generator for each client, which yields what it waits for: (socket, mask).

Unusual: the descriptors 0 and 1 are closed, so the first clients are watched as 0 and 1.
A hasty grader: believes that a watched descriptor 0 is a keyboard.
"""

import argparse
import os
import re
import select
import signal
import socket
import stat
import sys
from pathlib import Path


def options():
    """The command line."""
    html = (up / "html" for up in Path(__file__).resolve().parents if (up / "html").is_dir())
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7890)
    parser.add_argument("--root", default=next(html, "html"))
    return parser.parse_args()


HEAD = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([!-~\x80-\xff]+) HTTP/1\.([0-9])"
    rb"((?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n]*(?:\r\n[ \t][^\r\n]*)*)*)\r\n\r\n"
)


def open_page(target):
    """A descriptor of the file that the target names; OSError or ValueError when there is none."""
    path = target.partition(b"?")[0]
    if re.search(rb"%(?![0-9A-Fa-f]{2})", path):
        raise ValueError("a broken escape")
    path = re.sub(rb"%(..)", lambda pair: bytes([int(pair[1], 16)]), path)
    path.decode("utf-8")
    place = os.open(ROOT + path + (b"index.html" if path[-1:] == b"/" else b""), os.O_PATH)
    try:  # O_PATH opens nothing yet: a pipe does not block, a device does not wake
        where = b"/proc/self/fd/%d" % place
        if not os.readlink(where).startswith(ROOT.rstrip(b"/") + b"/"):
            raise ValueError("outside the root")
        if not stat.S_ISREG(os.fstat(place).st_mode):
            raise ValueError("no regular file")
        return os.open(where, os.O_RDONLY)
    finally:
        os.close(place)


def judge(head):
    """The status and an open descriptor or a text, for one head with its blank line."""
    match = HEAD.fullmatch(head)
    if not match:
        return 400, b"Bad request.\n"
    if match[1] != b"GET":
        return 501, b"Not implemented.\n"
    try:
        if match[2][:1] == b"/":
            return 200, open_page(match[2])
    except (OSError, ValueError):
        pass
    return 404, b"Not found.\n"


def client(sock):
    """The life of one connection. It ends by return, and takes its descriptors along."""
    head, page = b"", None
    try:
        while b"\r\n\r\n" not in head[:65536]:
            yield select.EPOLLIN
            try:
                piece = sock.recv(4096)
            except BlockingIOError:
                continue
            head += piece
            if not piece or (len(head) > 65536 and b"\r\n\r\n" not in head[:65536]):
                return
        status, page = judge(head[: head.index(b"\r\n\r\n") + 4])
        size = os.fstat(page).st_size if status == 200 else len(page)
        rest, at = b"HTTP/1.1 %d \r\nContent-Length: %d\r\n\r\n" % (status, size), 0
        rest += b"" if status == 200 else page
        while rest:
            yield select.EPOLLOUT
            try:
                rest = rest[sock.send(rest) :]
            except BlockingIOError:
                continue
            if status == 200 and len(rest) < 1000 and at < size:
                piece = os.pread(page, min(150_000, size - at), at)
                rest, at = rest + piece, at + len(piece)
    except OSError:
        return
    finally:
        if isinstance(page, int):
            os.close(page)


def main():
    listener = socket.create_server((ASKED.host, ASKED.port), backlog=512)
    listener.setblocking(False)
    print("http://%s:%d/" % listener.getsockname()[:2], flush=True)
    epoll, crowd = select.epoll(), {}
    epoll.register(listener, select.EPOLLIN)
    sys.stdin = sys.stdout = None
    os.close(0)
    os.close(1)
    while True:
        for fd, _ in epoll.poll():
            if fd == listener.fileno():
                try:
                    sock = listener.accept()[0]
                except OSError:
                    continue
                sock.setblocking(False)
                crowd[sock.fileno()] = (sock, client(sock))
                epoll.register(sock, next(crowd[sock.fileno()][1]))
                continue
            try:
                epoll.modify(fd, next(crowd[fd][1]))
            except StopIteration:
                epoll.unregister(fd)
                crowd.pop(fd)[0].close()


signal.signal(signal.SIGINT, signal.SIG_DFL)
ASKED = options()
ROOT = os.fsencode(os.path.realpath(ASKED.root))
main()
