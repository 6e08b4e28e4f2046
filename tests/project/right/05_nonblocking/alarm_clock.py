"""Sleeps in pause(), and SIGALRM wakes it; before that it starts itself a second time.

Unusual: re-exec at start; the clock is an interval timer; the listener's socket is a subclass.
A hasty grader: takes an unknown system call for "stuck", or notes facts before the exec.
Slow: it is waited for again and again, which takes minutes; the whole corpus is tried with it, the sample is not.
"""

import argparse
import mmap
import os
import re
import signal
import socket
import sys
from pathlib import Path
from urllib.parse import unquote_to_bytes

if os.environ.pop("ALARM_CLOCK", None) is None:
    os.environ["ALARM_CLOCK"] = "set"
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def options():
    """The command line."""
    html = (up / "html" for up in Path(__file__).resolve().parents if (up / "html").is_dir())
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7890)
    parser.add_argument("--root", default=next(html, "html"))
    return parser.parse_args()


def is_below(path):
    """Whether one of the folders above this real path is the root."""
    return any(os.path.samefile(folder, ROOT) for folder in Path(path).parents)


def fetch(target):
    """The bytes behind a target; OSError or ValueError when there are none."""
    name = unquote_to_bytes(target.partition(b"?")[0]).decode("utf-8")
    name += "index.html" * name.endswith("/")
    real = os.path.realpath(f"{ROOT}/{name}")
    if not name.startswith("/") or not is_below(real) or not os.path.isfile(real):
        raise ValueError("not ours")
    descriptor = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    with open(descriptor, "rb") as file:
        size = os.fstat(descriptor).st_size
        if not size:  # nothing to map
            return b""
        with mmap.mmap(descriptor, size, access=mmap.ACCESS_READ) as view:
            return view[:]


def judge(head):
    """The status and the body for one head, up to the end of its last line."""
    line, _, rest = head.partition(b"\r\n")
    words = line.split(b" ")
    good = re.fullmatch(rb"([!-9;-~]+:[^\r\n]*\r\n([ \t][^\r\n]*\r\n)*)*", rest)
    if not good or len(words) != 3 or not re.fullmatch(rb"HTTP/1\.\d", words[2]):
        return 400, b"A riddle.\n"
    if not re.fullmatch(rb"[!#$%&'*+.^_`|~\w-]+", words[0]):
        return 400, b"An odd method.\n"
    if words[0] != b"GET":
        return 405, b"GET is all I know.\n"
    try:
        return 200, fetch(words[1])
    except (OSError, ValueError):
        return 404, b"Nobody home.\n"


class Listener(socket.socket):
    """A socket whose connections come non-blocking, one generator each."""

    def newcomers(self):
        while True:
            try:
                fd = self._accept()[0]
            except OSError:
                return
            yield self.serve(socket.socket(fileno=fd))

    def serve(self, sock):
        with sock:
            sock.settimeout(0)
            head = b""
            while b"\r\n\r\n" not in head[:65536]:
                try:
                    piece = sock.recv(500) if len(head) <= 65536 else b""
                except BlockingIOError:
                    yield
                    continue
                head += piece
                if not piece:
                    return
            status, body = judge(head[: head.index(b"\r\n\r\n") + 2])
            kind = b"HTTP/1.1 %d Yes\r\nConnection: close\r\nContent-Length:%d\r\n\r\n"
            rest = memoryview(kind % (status, len(body)) + body)
            while rest:
                try:
                    rest = rest[sock.send(rest) :]
                except BlockingIOError:
                    yield


def main():
    with Listener() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((ASKED.host, ASKED.port))
        listener.listen(100)
        listener.settimeout(0)
        print("http://%s:%d/" % listener.getsockname(), flush=True)
        signal.setitimer(signal.ITIMER_REAL, 0.004, 0.004)
        lives = []
        while True:
            signal.pause()
            for life in list(lives) + (new := list(listener.newcomers())):
                try:
                    next(life)
                except (StopIteration, OSError):
                    lives = [other for other in lives if other is not life]
                    new = [other for other in new if other is not life]
            lives += new


signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.signal(signal.SIGALRM, lambda number, frame: None)
ASKED = options()
ROOT = os.path.realpath(ASKED.root)
main()
