"""gevent.socket and nothing else of gevent.

Unusual: the standard socket module stays as it was; the handlers are generators that greenlets drive; Ctrl-C is left to gevent.
A hasty grader: imports the server's modules to see whether they are patched, or greps the log for "KeyboardInterrupt", which gevent prints itself.
"""
import argparse
import os
import sys
from pathlib import Path
from urllib.parse import unquote

from gevent import socket, spawn


def conversation(root):
    """Yields a number to hear that many bytes at most, or bytes to say them."""
    head = ""
    while "\r\n\r\n" not in head:
        piece = yield 1400
        head += piece.decode("latin-1")
        if not piece or len(head) > 65536:
            return
    line = head.split("\r\n")[0].split(" ")
    match line:
        case ["GET", target, "HTTP/1.1" | "HTTP/1.0"]:
            body = page(root, target.split("?", 1)[0])
            if body is None:
                yield b"HTTP/1.1 404 NOT FOUND\r\ncontent-length:10\r\n\r\nNot found\n"
            else:
                yield b"HTTP/1.1 200 OK\r\ncontent-length:" + str(len(body)).encode("ascii") + b"\r\n\r\n"
                yield body
        case [_, _, "HTTP/1.1" | "HTTP/1.0"]:
            yield b"HTTP/1.1 405 METHOD NOT ALLOWED\r\ncontent-length:9\r\n\r\nGET only\n"
        case _:
            yield b"HTTP/1.1 400 BAD REQUEST\r\ncontent-length:12\r\n\r\nBad request\n"


def page(root, path):
    try:
        name = unquote(path.encode("latin-1").decode("utf-8"), errors="strict")
        if not name.startswith("/"):
            return None
        file = (root / ("." + name + ("index.html" if name.endswith("/") else ""))).resolve()
        return file.read_bytes() if root in file.parents and file.is_file() else None
    except (OSError, ValueError, RuntimeError):
        return None


def drive(client, talk):
    """Runs one conversation in one greenlet."""
    try:
        wish = next(talk)
        while True:
            if isinstance(wish, int):
                wish = talk.send(client.recv(wish))
            else:
                client.sendall(wish)
                wish = next(talk)
    except (StopIteration, OSError):
        pass
    finally:
        client.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7890)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2] / "html")
    args = parser.parse_args()
    root = args.root.resolve()
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((args.host, args.port))
    listener.listen(256)
    print("http://%s:%d/" % listener.getsockname(), flush=True)
    while True:
        client, _ = listener.accept()
        spawn(drive, client, conversation(root))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
