"""HTTP/1.0 and no length, whatever is asked; a status page of the parent's beside it.

Unusual: the parent polls two listeners, the second opened last, and answers the status page itself; 3 s of warm-up; children never state a length.
A hasty grader: takes the parent's answers on the second port for clients that it has not let go, or wants Content-Length.
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
    """The head of an answer, with as little in it as will do."""
    return b"HTTP/1.0 %d \r\n\r\n" % status


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


crew = set()
SIGNALS = {signal.SIGINT, signal.SIGTERM}


def leave(*_):
    """End all children, then this process."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # else its handler would change the crew meanwhile
    for pid in list(crew):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    for pid in list(crew):
        with contextlib.suppress(OSError):
            os.waitpid(pid, 0)
    os._exit(0)


def split(work):
    """Fork; the child does the work and ends. No signal comes before both know who they are."""
    old = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        pid = os.fork()
        if not pid:
            try:
                for number in SIGNALS:
                    signal.signal(number, signal.SIG_DFL)
                signal.pthread_sigmask(signal.SIG_SETMASK, old)
                work()
            finally:
                os._exit(0)
        crew.add(pid)
        return pid
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)


def main():
    args, root = arguments()
    for number in SIGNALS:
        signal.signal(number, leave)
    while time.process_time() < 3:
        sum(range(10_000))
    doors = [socket.create_server((args.host, port), backlog=256) for port in (args.port, 0)]
    ear = select.poll()
    for door in doors:
        door.setblocking(False)
        ear.register(door, select.POLLIN)
    print("http://%s:%d/" % doors[0].getsockname()[:2], flush=True)
    served = 0
    while True:
        ready = {fd for fd, _ in ear.poll(2000)}
        with contextlib.suppress(ChildProcessError):
            while (pid := os.waitpid(-1, os.WNOHANG)[0]) > 0:
                crew.discard(pid)
        for door in doors:
            if door.fileno() not in ready:
                continue
            try:
                sock, _ = door.accept()
            except BlockingIOError:
                continue
            except OSError:
                time.sleep(0.05)
                continue
            with sock, contextlib.suppress(OSError):
                if door is doors[1]:
                    sock.setblocking(False)
                    sock.send(b"HTTP/1.0 200 OK\r\n\r\n%d clients\n" % served)
                    continue
                served += 1

                def work(sock=sock):
                    for each in doors:
                        each.close()
                    sock.setblocking(True)
                    with sock, contextlib.suppress(OSError):
                        serve(sock, root)

                split(work)


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
