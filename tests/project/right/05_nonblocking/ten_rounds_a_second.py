"""Ten rounds a second: a long nap, and then whatever is there.

Unusual: every answer is late by a tenth of a second; in a round it reads and writes all it can.
A hasty grader: has a limit of 50 ms somewhere, or looks once, and at once.
Slow: it is waited for again and again, which takes minutes; the whole corpus is tried with it, the sample is not.
"""

import argparse
import mmap
import os
import re
import signal
import socket
import time
from pathlib import Path
from urllib.parse import unquote_to_bytes


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


def hear(sock, head):
    """Takes all that has come; True when the head is whole."""
    while b"\r\n\r\n" not in head[:65536]:
        piece = sock.recv(777) if len(head) <= 65536 else b""
        head += piece
        if not piece:
            raise ConnectionError("left, or went on for ever")


def look(sock, state):
    """One visit to one client; ConnectionError when there is no more to do."""
    head, rest = state
    if rest is None:
        hear(sock, head)
        status, body = judge(bytes(head[: head.index(b"\r\n\r\n") + 2]))
        kind = b"HTTP/1.1 %d OK \r\nServer: ten/second\r\nconnection:close\r\n\r\n" % status
        rest = state[1] = memoryview(kind + body)
    while rest:
        rest = state[1] = rest[sock.send(rest) :]
    raise ConnectionError("all is said")


def main():
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((ASKED.host, ASKED.port))
    listener.listen(400)
    print("http://%s:%d/" % listener.getsockname(), flush=True)
    clients = {}
    while True:
        time.sleep(0.1)
        try:
            while True:
                sock = listener.accept()[0]
                os.set_blocking(sock.fileno(), False)
                clients[sock] = [bytearray(), None]
        except OSError:
            pass
        for sock in list(clients):
            try:
                look(sock, clients[sock])
            except BlockingIOError:
                pass
            except OSError:
                del clients[sock]
                sock.close()


signal.signal(signal.SIGINT, signal.SIG_DFL)
ASKED = options()
ROOT = os.path.realpath(ASKED.root)
main()
