"""A pool of processes that grows: who has no idle worker makes one, and keeps it.

Unusual: workers are forked when all others are busy, up to 400, and stay; clients reach them as descriptors; a pair of sockets for each worker stays in the parent.
A hasty grader: wants processes and the parent's descriptors back when the clients have left.
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


MOST = 400


class Worker:
    """One process: a socket to send clients through."""

    def __init__(self, others, listener, root):
        self.pipe, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

        def work():
            listener.close()
            for each in (*others, self):
                each.pipe.close()
            while True:
                word, fds, _, _ = socket.recv_fds(theirs, 1, 1)
                if not word:
                    return
                with socket.socket(fileno=fds[0]) as sock, contextlib.suppress(OSError):
                    serve(sock, root)
                theirs.send(b".")

        try:
            self.pid = split(work)
        except OSError:
            self.pipe.close()
            raise
        finally:
            theirs.close()


def main():
    args, root = arguments()
    for number in SIGNALS:
        signal.signal(number, leave)
    listener = socket.create_server((args.host, args.port), backlog=512)
    print("http://%s:%d/" % listener.getsockname()[:2], flush=True)
    ear = select.poll()
    ear.register(listener, select.POLLIN)
    workers, idle = {}, []
    while True:
        for fd, _ in sorted(ear.poll(), key=lambda event: event[0] == listener.fileno()):
            if fd != listener.fileno():
                worker = workers[fd]
                with contextlib.suppress(OSError):
                    if worker.pipe.recv(1):
                        idle.append(worker)
                        continue
                ear.unregister(fd)  # the worker has died
                del workers[fd]
                worker.pipe.close()
                crew.discard(worker.pid)
                os.waitpid(worker.pid, 0)
                idle = [each for each in idle if each is not worker]
                continue
            if not idle and len(workers) == MOST:
                time.sleep(0.05)
                continue
            try:
                if not idle:  # before the accept: a child must not inherit the client
                    worker = Worker(workers.values(), listener, root)
                    workers[worker.pipe.fileno()] = worker
                    ear.register(worker.pipe, select.POLLIN)
                    idle.append(worker)
                sock, _ = listener.accept()
            except OSError:
                time.sleep(0.05)
                continue
            with sock, contextlib.suppress(OSError):
                socket.send_fds(idle.pop().pipe, [b"!"], [sock.fileno()])


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
