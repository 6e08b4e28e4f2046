"""multiprocessing.Pool(64), with sockets as arguments.

Unusual: the client travels pickled: main keeps a copy until a worker has fetched it; main has five threads and 64 idle children from the start.
A hasty grader: looks once, at once, whether main still holds the client, or cannot have threads in step 02.
"""
import argparse
import multiprocessing
import os
import signal
import socket
from pathlib import Path
from urllib.parse import unquote_to_bytes

ROOM = 64


def get_head(client):
    head = b""
    while True:
        if b"\r\n\r\n" in head:
            return head.split(b"\r\n\r\n")[0]
        if len(head) > 65536:
            return None
        piece = client.recv(2048)
        if not piece:
            return None
        head += piece


def contents(root, target):
    name = unquote_to_bytes(target.split(b"?")[0])
    if name[:1] != b"/":
        return None
    if name[-1:] == b"/":
        name += b"index.html"
    try:
        file = (root / name.decode().lstrip("/")).resolve()
        return file.read_bytes() if root in file.parents and file.is_file() else None
    except (OSError, ValueError, RuntimeError):
        return None


def serve(client, root):
    with client:
        try:
            head = get_head(client)
            if head is None:
                return
            words = head.split(b"\r\n")[0].split(b" ")
            good = len(words) == 3 and words[2] in (b"HTTP/1.0", b"HTTP/1.1")
            body = contents(root, words[1]) if good and words[0] == b"GET" else None
            if not good:
                status = b"400"
            elif words[0] != b"GET":
                status = b"501"
            else:
                status = b"200" if body is not None else b"404"
            body = b"<h1>" + status + b"</h1>\n" if body is None else body
            client.sendall(b"HTTP/1.1 " + status + b" \r\nContent-Length:" + str(len(body)).encode() + b"\r\n\r\n")
            client.sendall(body)
        except OSError:
            pass


def plain_signals():
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def leave(*_):
    raise SystemExit(0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7890)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2] / "html")
    args = parser.parse_args()
    root = args.root.resolve()
    with multiprocessing.get_context("fork").Pool(ROOM, plain_signals) as pool:
        signal.signal(signal.SIGTERM, leave)
        signal.signal(signal.SIGINT, leave)
        with socket.create_server((args.host, args.port), backlog=128) as listener:
            print("http://%s:%d/" % listener.getsockname(), flush=True)
            while True:
                client, _ = listener.accept()
                pool.apply_async(serve, (client, root))
                del client


if __name__ == "__main__":
    main()
