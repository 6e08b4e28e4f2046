"""Long excuses: 404 has a page of 100 KB, 400 and 405 explain HTTP at length.

Unusual: error pages larger than a socket's buffer, one for each status; 405 says Allow; 301 with a length for a folder without its slash.
A hasty grader: reads an error page with one recv, or believes that an error is short.
"""

import argparse
import contextlib
import errno
import os
import re
import signal
import socket
import stat
from urllib.parse import quote_from_bytes, unquote_to_bytes

HEAD = re.compile(rb"(\S+) (\S+) HTTP/1\.(\d)(?:\r\n[^\s:]+:[^\r\n]*)*")


SHORT_PAGES = {
    400: b"This is no HTTP.\n",
    404: b"There is no such file.\n",
    405: b"Only GET is served here.\n",
}
WORDS = {
    200: b"OK",
    301: b"Moved Permanently",
    400: b"Bad Request",
    404: b"Not Found",
    405: b"Method Not Allowed",
}
PAGES = {
    400: SHORT_PAGES[400] + b"A request has three words: a method, a target and a version.\n" * 300,
    404: SHORT_PAGES[404] + b"We have looked everywhere, and then once more, and we are sorry.\n" * 1600,
    405: SHORT_PAGES[405] + b"Nothing here can be changed, deleted, patched or brewed.\n" * 900,
    301: b"It is a folder: see there.\n",
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


def folder(root, target):
    """The address of the folder that is asked for without its slash, or None."""
    name = name_of(target)
    if name is None or name.endswith(b"/index.html"):
        return None
    place = os.path.realpath(root + name)
    if place.startswith(root + b"/") and os.path.isdir(place):
        return quote_from_bytes(place[len(root) :] + b"/").encode()
    return None


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


def error(sock, status, *fields):
    lines = [b"HTTP/1.1 %d %s" % (status, WORDS[status]), *fields, b"Content-Length: %d" % len(PAGES[status])]
    sock.sendall(b"\r\n".join([*lines, b"Connection: close", b"", PAGES[status]]))


def serve(sock, root):
    head = hear(sock)
    if head is None:
        return
    found = HEAD.fullmatch(head)
    if not found:
        return error(sock, 400)
    if found[1] != b"GET":
        return error(sock, 405, b"Allow: GET")
    fd = find(root, found[2])
    if fd is None:
        moved = folder(root, found[2])
        return error(sock, 301, b"Location: " + moved) if moved else error(sock, 404)
    try:
        size = os.fstat(fd).st_size
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % size)
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
    with socket.create_server((args.host, args.port), backlog=128) as listener:
        print("http://%s:%d/" % listener.getsockname()[:2], flush=True)
        while True:
            sock, _ = listener.accept()
            with sock, contextlib.suppress(OSError):
                serve(sock, root)


if __name__ == "__main__":
    main()
