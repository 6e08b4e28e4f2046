"""A server that looks at a request and leaves it in the kernel.

Unusual: MSG_PEEK with a rising SO_RCVLOWAT: not a byte is taken from the socket before the head is whole. The file goes out by sendfile.
A hasty grader: waits for the receive queue to become empty as the sign that half a request "has been read".
"""
import os
import select
import socket
import sys
from pathlib import Path
from urllib.parse import unquote

MOST = 65536


def options():
    found = {"host": "127.0.0.1", "port": "7890", "root": Path(__file__).resolve().parents[2] / "html"}
    rest = iter(sys.argv[1:])
    for word in rest:
        name, equals, value = word.removeprefix("--").partition("=")
        if name not in found:
            raise SystemExit(f"unknown option {word}")
        found[name] = value if equals else next(rest)
    return found["host"], int(found["port"]), Path(found["root"]).resolve()


def ended(client):
    """A look that brings nothing new is the end of the stream, or a stop (SIGSTOP) has cut it short."""
    looks = select.poll()
    looks.register(client, select.POLLRDHUP)
    return bool(looks.poll(0))


def head_of(client):
    """Sleeps until there is more than was seen last time; takes the head, and nothing else, when it is whole."""
    seen = 0
    while True:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, seen + 1)
        queue = client.recv(MOST + 1, socket.MSG_PEEK)
        end = queue.find(b"\r\n\r\n")
        if end >= 0:
            return client.recv(end + 4, socket.MSG_WAITALL)
        if len(queue) > MOST or (len(queue) <= seen and ended(client)):
            return None
        seen = len(queue)


def choose(root, head):
    method, target, version = head.split(b"\r\n")[0].decode("latin-1").split(" ")
    if version not in ("HTTP/1.0", "HTTP/1.1"):
        raise ValueError(version)
    if method != "GET":
        return "405 Method Not Allowed", None
    try:
        name = unquote(target.split("?", 1)[0], errors="strict")
        path = (root / (name.lstrip("/") + ("index.html" if name.endswith("/") else ""))).resolve()
        if name.startswith("/") and path.is_relative_to(root) and path.is_file():
            return "200 OK", path.open("rb")
    except (OSError, ValueError, RuntimeError):
        pass
    return "404 Not Found", None


def serve(client, root):
    head = head_of(client)
    if head is None:
        return
    try:
        status, file = choose(root, head)
    except ValueError:
        status, file = "400 Bad Request", None
    if file is None:
        client.sendall(f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\n\r\n{status}, I am afraid.\n".encode())
        return
    with file:
        size = os.fstat(file.fileno()).st_size
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        start = 0
        while sent := os.sendfile(client.fileno(), file.fileno(), start, size - start):
            start += sent


def main():
    host, port, root = options()
    listener = socket.create_server((host, port), backlog=64)
    print(f"http://{host}:{listener.getsockname()[1]}/", flush=True)
    while True:
        select.select([listener], [], [])  # only to sleep somewhere else
        client, _ = listener.accept()
        with client:
            try:
                serve(client, root)
            except OSError:
                pass


try:
    main()
except KeyboardInterrupt:
    pass
