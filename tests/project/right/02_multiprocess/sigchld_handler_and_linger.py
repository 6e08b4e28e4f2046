"""A grim reaper, and children in no hurry.

Unusual: a SIGCHLD handler reaps all that are dead; a child reads on after its answer until the client ends, two seconds at most.
A hasty grader: wants the child gone, or its descriptor closed, the moment the answer is out, or cannot have accept interrupted by a signal.
"""
import argparse
import os
import select
import signal
import socket
import time
from pathlib import Path
from urllib.parse import unquote_to_bytes

parser = argparse.ArgumentParser()
parser.add_argument("--host", default="127.0.0.1")
parser.add_argument("--port", type=int, default=7890)
parser.add_argument("--root", default=Path(__file__).resolve().parents[2] / "html")


def grim_reaper(*_):
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        pass


def read_head(client):
    """In pieces as they come; a head over 8192 bytes is refused."""
    head = b""
    while True:
        end = head[:8192].find(b"\r\n\r\n")
        if end >= 0:
            return head[:end]
        if len(head) >= 8192:
            return "431 Request Header Fields Too Large"
        piece = client.recv(8193 - len(head))
        if not piece:
            return None
        head += piece


def make(root, head):
    if isinstance(head, str):
        return head, b"Too much.\n"
    line = head.split(b"\r\n")[0]
    method, gap, rest = line.partition(b" ")
    target, gap2, version = rest.partition(b" ")
    if not (method and target) or version not in (b"HTTP/1.0", b"HTTP/1.1"):
        return "400 Bad Request", b"Bad.\n"
    if method != b"GET":
        return "405 Method Not Allowed", b"Not allowed.\n"
    path = unquote_to_bytes(target.split(b"?")[0])
    try:
        real = os.path.realpath(os.fsencode(root) + path + b"index.html" * path.endswith(b"/"))
        path.decode()
        if path.startswith(b"/") and real.startswith(os.fsencode(root) + b"/") and os.path.isfile(real):
            return "200 OK", Path(os.fsdecode(real)).read_bytes()
    except (OSError, ValueError):
        pass
    return "404 Not Found", b"Not found.\n"


def serve(client, root):
    head = read_head(client)
    if head is None:
        return
    status, body = make(root, head)
    client.sendall(f"HTTP/1.1 {status}\r\nServer: reaper\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    client.shutdown(socket.SHUT_WR)
    until = time.monotonic() + 2
    while select.select([client], [], [], max(0, until - time.monotonic()))[0]:
        if not client.recv(65536):
            break


def main():
    args = parser.parse_args()
    root = str(Path(args.root).resolve())
    signal.signal(signal.SIGCHLD, grim_reaper)
    listener = socket.create_server((args.host, args.port), backlog=128)
    print("http://%s:%d/" % listener.getsockname(), flush=True)
    while True:
        client, _ = listener.accept()
        if os.fork():
            client.close()
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        listener.close()
        try:
            serve(client, root)
        except OSError:
            pass
        finally:
            os._exit(0)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
