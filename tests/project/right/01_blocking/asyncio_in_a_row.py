"""asyncio, and yet one client after the other.

Unusual: coroutines and an event loop, but the next accept is awaited only when the last client is gone. Answers in HTTP/1.0.
A hasty grader: sees a process asleep in epoll where accept or recv was expected, non-blocking sockets, or an old version number.
"""
import asyncio
import contextlib
import getopt
import os
import pathlib
import signal
import socket
import sys
import urllib.parse

HERE = pathlib.Path(__file__).resolve()


class Refused(Exception):
    """An answer that is no file: (code, words)."""


def choose(root, head):
    words = head.partition(b"\r\n")[0].decode("latin-1").split(" ")
    if len(words) != 3 or words[2] not in ("HTTP/1.1", "HTTP/1.0") or not words[1]:
        raise Refused(400, "Bad Request")
    if words[0] != "GET":
        raise Refused(501, "Not Implemented")
    try:
        name = urllib.parse.unquote(words[1].split("?")[0], errors="strict")
        if not name.startswith("/"):
            raise Refused(400, "Bad Request")
        if name[-1] == "/":
            name += "index.html"
        path = (root / ("." + name)).resolve()
        if path.is_relative_to(root) and path.is_file():
            return path.read_bytes()
    except (OSError, ValueError, RuntimeError):  # RuntimeError: a loop of links, before Python 3.13
        pass
    raise Refused(404, "Not Found")


async def one(loop, client, root):
    head = b""
    while b"\r\n\r\n" not in head:
        piece = await loop.sock_recv(client, 2048)
        head += piece
        if not piece or len(head) > 1 << 16:
            return
    try:
        code, phrase, body = 200, "OK", choose(root, head)
    except Refused as refusal:
        code, phrase = refusal.args
        body = b"<!doctype html><title>%d</title><h1>%s</h1>\n" % (code, phrase.encode())
    await loop.sock_sendall(client, f"HTTP/1.0 {code} {phrase}\r\nContent-Length:    {len(body)}  \r\n\r\n".encode())
    if body:
        await loop.sock_sendall(client, body)


async def forever(listener, root):
    loop = asyncio.get_running_loop()
    this = asyncio.current_task()
    for number in signal.SIGINT, signal.SIGTERM:
        loop.add_signal_handler(number, this.cancel)
    listener.listen(128)
    print("serving on http://{}:{}".format(*listener.getsockname()), flush=True)
    while True:
        client, _ = await loop.sock_accept(listener)
        with client, contextlib.suppress(OSError):
            await one(loop, client, root)


options = {"--host": "127.0.0.1", "--port": "7890", "--root": str(HERE.parents[2] / "html")}
options.update(getopt.getopt(sys.argv[1:], "", ["host=", "port=", "root="])[0])
with socket.socket() as sock:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((options["--host"], int(options["--port"])))
    sock.setblocking(False)
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(forever(sock, pathlib.Path(options["--root"]).resolve()))
