"""A server with a secretary and a heart.

Unusual: two threads of its own beside main from the start: one writes the log, one beats every 50 ms; handlers are generators on a trampoline.
A hasty grader: demands exactly one thread more than clients, or an idle server that does nothing at all.
"""
import argparse
import contextlib
import gc
import os
import pathlib
import queue
import socket
import sys
import threading
import time
import urllib.parse

log = queue.SimpleQueue()


def secretary():
    while True:
        with contextlib.suppress(OSError, UnicodeError):
            print(log.get(), file=sys.stderr, flush=True)


def heart():
    for beat in range(1 << 62):
        time.sleep(0.05)
        if beat % 40 == 0:
            gc.collect()
            log.put(f"♥ {beat}, {threading.active_count()} threads")


def conversation(root):
    """Yields None to hear more, bytes to say them; ends when all is said."""
    head = b""
    while b"\r\n\r\n" not in head:
        piece = yield None
        if not piece or len(head) + len(piece) > 65536:
            return
        head += piece
    status, body = yield from reply(root, head)
    yield b"HTTP/1.1 " + status.encode() + b"\r\n"
    yield b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n"
    yield body


def reply(root, head):
    yield b""  # generators may say nothing
    words = head[: head.index(b"\r\n")].decode("utf-8", "surrogateescape").split(" ")
    if len(words) != 3 or words[2] not in ("HTTP/1.0", "HTTP/1.1"):
        return "400 Bad Request", b"400\n"
    if words[0] != "GET":
        return "501 Not Implemented", b"501\n"
    body = read(root, words[1].split("?")[0])
    return ("404 Not Found", b"404\n") if body is None else ("200 OK", body)


def read(root, path):
    try:
        name = urllib.parse.unquote(path, errors="strict")
        if not name.startswith("/"):
            return None
        file = root.joinpath("." + name, "index.html" * name.endswith("/")).resolve(strict=True)
        if file.is_relative_to(root) and file.is_file():
            return file.read_bytes()
    except (OSError, ValueError, RuntimeError):
        pass
    return None


def trampoline(client, talk):
    with client, contextlib.suppress(OSError, StopIteration):
        wish = next(talk)
        while True:
            if wish is None:
                wish = talk.send(client.recv(4096))
            else:
                client.sendall(wish)
                wish = next(talk)
    log.put(f"客 {threading.current_thread().name} has gone")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7890)
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[2] / "html")
    args = parser.parse_args()
    root = args.root.resolve()
    for helper in secretary, heart:
        threading.Thread(target=helper, daemon=True, name=helper.__name__).start()
    listener = socket.create_server((args.host, args.port), backlog=128)
    log.put("http://%s:%d/" % listener.getsockname())
    while True:
        client, _ = listener.accept()
        threading.Thread(target=trampoline, args=(client, conversation(root)), daemon=True).start()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
        log.put("never said")
