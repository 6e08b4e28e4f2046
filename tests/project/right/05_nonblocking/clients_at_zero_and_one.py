"""No standard input, no standard output: the first two clients live at descriptors 0 and 1.

Unusual: it closes 0 and 1 when the URL is printed, and goes to live in the root folder.
A hasty grader: skips descriptors 0 to 2, or takes descriptor 0 for "no socket".
"""

import argparse
import os
import re
import signal
import socket
import stat
import sys
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


TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*", re.DOTALL)


def content(target):
    """The bytes of the file that the target names, or None when it names none of ours."""
    path = unquote_to_bytes(target.split(b"?", 1)[0])
    if path.endswith(b"/"):
        path += b"index.html"
    try:
        path.decode("utf-8")
        real = os.path.realpath(os.path.join(ROOT, path.lstrip(b"/")))
        if real.startswith(os.path.join(ROOT, b"")) and stat.S_ISREG(os.stat(real).st_mode):
            with open(real, "rb") as file:
                return file.read()
    except (OSError, ValueError):
        pass
    return None


def judge(head):
    """The status and the body for one whole head, blank line included."""
    lines = re.sub(rb"\r\n[ \t]+", b" ", head[:-4]).split(b"\r\n")
    words, fields = lines[0].split(b" "), [FIELD.fullmatch(line) for line in lines[1:]]
    if len(words) != 3 or not TOKEN.fullmatch(words[0]) or None in fields:
        return 400, b"That is no HTTP.\n"
    if not re.fullmatch(rb"HTTP/1\.[0-9]", words[2]):
        return 400, b"That is no HTTP of mine.\n"
    if words[0] != b"GET":
        return 405, b"Only GET is spoken here.\n"
    body = content(words[1]) if words[1].startswith(b"/") else None
    if body is None:
        return 404, b"There is no such page.\n"
    return 200, body


def turn(client):
    """One try to go on with a client; False when there is nothing more to do for it."""
    sock, head, rest = client
    try:
        if rest is None:
            piece = sock.recv(4096)
            client[1] = head = head + piece
            if not piece or (len(head) > 65536 and b"\r\n\r\n" not in head[:65536]):
                return False
            if b"\r\n\r\n" not in head:
                return True
            status, body = judge(head[: head.index(b"\r\n\r\n") + 4])
            front = b"HTTP/1.1 %d \r\nContent-Length: %d\r\nDate: today\r\nAge: 0\r\n\r\n"
            rest = front % (status, len(body)) + body
        client[2] = memoryview(rest)[sock.send(rest) :]
        return len(client[2]) > 0
    except BlockingIOError:
        client[2] = rest
        return True
    except OSError:
        return False


def main():
    listener = socket.create_server((ASKED.host, ASKED.port), backlog=200)
    listener.setblocking(False)
    print("http://%s:%d/" % listener.getsockname()[:2], flush=True)
    os.chdir(ROOT)
    sys.stdin = sys.stdout = None
    os.close(0)
    os.close(1)
    clients = []
    while True:
        time.sleep(0.003)
        try:
            while True:
                clients.append([listener.accept()[0], b"", None])
                clients[-1][0].setblocking(False)
        except OSError:
            pass
        for client in clients[::-1]:  # the youngest first
            if not turn(client):
                clients.remove(client)
                client[0].close()


signal.signal(signal.SIGINT, signal.SIG_DFL)
ASKED = options()
ROOT = os.fsencode(os.path.realpath(ASKED.root))
main()
