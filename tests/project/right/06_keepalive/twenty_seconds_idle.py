"""Keep-Alive: timeout=20: an idle long connection goes after 20 s, a stalled one never.

Unusual: descriptors 0 and 1 are closed, and the newest client is asked first.
A hasty grader: leaves a connection idle through a slow check, and then uses it again.
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
    """The status, the body and whether to stay, for one whole head, blank line included."""
    lines = re.sub(rb"\r\n[ \t]+", b" ", head[:-4]).split(b"\r\n")
    words, fields = lines[0].split(b" "), [FIELD.fullmatch(line) for line in lines[1:]]
    if len(words) != 3 or not TOKEN.fullmatch(words[0]) or None in fields:
        return 400, b"That is no HTTP.\n", False
    if not re.fullmatch(rb"HTTP/1\.[0-9]", words[2]):
        return 400, b"That is no HTTP of mine.\n", False
    asked = [field[2].lower().split(b",") for field in fields if field[1].lower() == b"connection"]
    asked = [word.strip() for some in asked for word in some]
    stay = words[2] != b"HTTP/1.0" and b"close" not in asked
    for field in fields:  # a request with a body is answered, and is the last one
        named = field[1].lower()
        if named == b"transfer-encoding" or (named == b"content-length" and field[2].strip(b"0")):
            stay = False
    if words[0] != b"GET":
        return 405, b"Only GET is spoken here.\n", stay
    body = content(words[1]) if words[1].startswith(b"/") else None
    if body is None:
        return 404, b"There is no such page.\n", stay
    return 200, body, stay


def one_step(client):
    """Writes, answers or reads once; False when the connection is over."""
    if client["rest"]:
        client["rest"] = client["rest"][client["sock"].send(client["rest"]) :]
        client["idle since"] = time.monotonic()
        return True
    if client["last"]:
        return False
    end = client["box"].find(b"\r\n\r\n", 0, 65536)
    if end >= 0:
        status, body, stay = judge(bytes(client["box"][: end + 4]))
        del client["box"][: end + 4]
        words = b"Keep-Alive: timeout=20\r\n" if stay else b"connection: close\r\n"
        head = b"HTTP/1.1 %d \r\n%bcontent-length: %d\r\n\r\n" % (status, words, len(body))
        client["rest"], client["last"] = memoryview(head + body), not stay
        return True
    piece = client["sock"].recv(4000) if len(client["box"]) <= 65536 else b""
    client["box"] += piece
    return len(piece) > 0


def is_idle(client):
    """At least one answer, all of it sent, nothing of a next request, and 20 s gone by."""
    quiet = client["idle since"] and not client["rest"] and not client["box"]
    return quiet and time.monotonic() - client["idle since"] > 20.5


def main():
    listener = socket.create_server((ASKED.host, ASKED.port), backlog=128)
    listener.setblocking(False)
    print("http://%s:%d/" % listener.getsockname()[:2], flush=True)
    sys.stdin = sys.stdout = None
    os.close(0)
    os.close(1)
    clients = []
    while True:
        time.sleep(0.001)
        try:
            sock = listener.accept()[0]
            sock.setblocking(False)
            clients.insert(
                0, {"sock": sock, "box": bytearray(), "rest": b"", "last": False, "idle since": 0}
            )
        except OSError:
            pass
        for client in list(clients):
            try:
                while one_step(client):
                    pass
            except BlockingIOError:
                if not is_idle(client):
                    continue
            except OSError:
                pass
            clients.remove(client)
            client["sock"].close()


signal.signal(signal.SIGINT, signal.SIG_DFL)
ASKED = options()
ROOT = os.fsencode(os.path.realpath(ASKED.root))
main()
