"""asyncio, with a selector that asks nobody: every socket is "ready", and tried.

Unusual: the event loop is asyncio's, its selector naps and then names all sockets.
A hasty grader: sees asyncio imported and is sure that an epoll must be there.
"""

import argparse
import asyncio
import os
import re
import selectors
import signal
import socket
import stat
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


class Everybody(selectors.BaseSelector):
    """Names every registered socket each time; the sockets themselves say what is true."""

    def __init__(self):
        self.keys = {}

    def register(self, fileobj, events, data=None):
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        self.keys[fd] = selectors.SelectorKey(fileobj, fd, events, data)
        return self.keys[fd]

    def unregister(self, fileobj):
        return self.keys.pop(fileobj if isinstance(fileobj, int) else fileobj.fileno())

    def select(self, timeout=None):
        if timeout is None or timeout > 0:
            time.sleep(0.002 if timeout is None else min(timeout, 0.002))
        return [(key, key.events) for key in self.keys.values()]

    def get_map(self):
        return self.keys


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


async def serve(reader, writer):
    try:
        status, body = judge(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 %d \r\n\r\n" % status)
        for start in range(0, len(body), 100_000):
            writer.write(body[start : start + 100_000])
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass  # gone, or a head past 64 KiB
    finally:
        writer.close()


async def main(listener):
    server = await asyncio.start_server(serve, sock=listener, limit=65533, backlog=512)
    print("http://%s:%d/" % listener.getsockname()[:2], flush=True)
    async with server:
        await asyncio.get_running_loop().create_future()


signal.signal(signal.SIGINT, signal.SIG_DFL)
ASKED = options()
ROOT = os.fsencode(os.path.realpath(ASKED.root))
LISTENER = socket.create_server((ASKED.host, ASKED.port), backlog=512)
LISTENER.setblocking(False)
asyncio.SelectorEventLoop(Everybody()).run_until_complete(main(LISTENER))
