"""asyncio streams, a box of its own for every client, and 75 s by asyncio.wait_for.

Unusual: every idle connection has a timer of its own; the files are mapped, the heads are mails.
A hasty grader: sees tasks come and go and context switches, and calls it busy.
"""

import argparse
import asyncio
import email.parser
import mmap
import os
import re
import signal
import socket
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
    """The status, the body, whether to stay and the octets of a body to skip, for one head."""
    line, _, rest = head.partition(b"\r\n")
    words = line.split(b" ")
    mail = email.parser.BytesHeaderParser().parsebytes(rest)
    good = re.fullmatch(rb"([!-9;-~]+:[^\r\n]*\r\n([ \t][^\r\n]*\r\n)*)*", rest)
    if not good or len(words) != 3 or not re.fullmatch(rb"HTTP/1\.\d", words[2]):
        return 400, b"A riddle.\n", False, 0
    if not re.fullmatch(rb"[!#$%&'*+.^_`|~\w-]+", words[0]):
        return 400, b"An odd method.\n", False, 0
    said = ",".join(str(value) for value in mail.get_all("Connection", []))
    stay = words[2] != b"HTTP/1.0"
    stay = stay and "close" not in [word.strip() for word in said.lower().split(",")]
    length = str(mail.get("Content-Length", "0")).strip()
    if "Transfer-Encoding" in mail or not re.fullmatch("[0-9]{1,12}", length):
        stay, length = False, "0"
    if words[0] != b"GET":
        return 405, b"GET is all I know.\n", stay, int(length)
    try:
        return 200, fetch(words[1]), stay, int(length)
    except (OSError, ValueError):
        return 404, b"Nobody home.\n", stay, int(length)


async def more(reader, box):
    """Adds what has come to the box; 75 s of silence are the end."""
    piece = await asyncio.wait_for(reader.read(4096), 75)
    if not piece:
        raise EOFError
    box += piece


async def exchange(reader, writer, box):
    """One request and its answer; False when it was the last."""
    while (end := box.find(b"\r\n\r\n", 0, 65536)) < 0:
        if len(box) > 65536:
            return False
        await more(reader, box)
    status, body, stay, skip = judge(bytes(box[: end + 2]))
    skip += end + 4
    while len(box) < skip:
        skip -= len(box)
        box.clear()
        await more(reader, box)
    del box[:skip]
    word = b"Keep-Alive: timeout=75" if stay else b"Connection: close"
    writer.write(b"HTTP/1.1 %d \r\nContent-Length: %d\r\n" % (status, len(body)))
    writer.write(word + b"\r\nX-Served-By: asyncio\r\n\r\n")
    writer.write(body)
    await writer.drain()
    return stay


async def serve(reader, writer):
    box = bytearray()
    try:
        while await exchange(reader, writer, box):
            pass
    except (OSError, EOFError, asyncio.TimeoutError):  # the last is an OSError since 3.11
        pass
    finally:
        writer.close()


async def main(listener):
    server = await asyncio.start_server(serve, sock=listener, backlog=4096)
    print("http://%s:%d/" % server.sockets[0].getsockname()[:2], flush=True)
    await asyncio.get_running_loop().create_future()


signal.signal(signal.SIGINT, signal.SIG_DFL)
ASKED = options()
ROOT = os.path.realpath(ASKED.root)
asyncio.run(main(socket.create_server((ASKED.host, ASKED.port), backlog=4096)))
