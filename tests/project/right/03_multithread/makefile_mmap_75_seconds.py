"""Sockets as files, files as memory, and 75 seconds of patience.

Unusual: makefile() for both directions, so two objects share a socket; a time-out of 75 s, so the descriptor is non-blocking and threads sleep in poll.
A hasty grader: takes O_NONBLOCK or poll for a broken rule, or expects one reference to a socket.
"""
import io
import mmap
import optparse
import os
import re
import socket
import threading
from urllib.parse import unquote

LIMIT = 65536
LINE = re.compile(r"(?P<method>[^\s/]+) (?P<target>\S+) (?P<version>HTTP/1\.[01])")


def head_of(stream):
    """Line by line; only CRLF CRLF ends it. None if it does not end."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline(LIMIT + 1 - len(head))
        head += line
        if line == b"" or len(head) > LIMIT:
            return None
    return head.decode("latin-1")


def image(root, name):
    """A view of the file's bytes, copied out of a map of it."""
    real = os.path.realpath(root + name)
    if not name.startswith("/") or not real.startswith(os.path.join(root, "")) or not os.path.isfile(real):
        raise FileNotFoundError(name)
    with open(real, "rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            return b""
        with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as memory:
            return memory.read()


def answer(root, head):
    found = LINE.fullmatch(head[: head.index("\r\n")])
    if not found:
        return "400 Bad Request", b"Not understood.\n"
    if found["method"] != "GET":
        return "405 Method Not Allowed", b"Not allowed.\n"
    path, _, _ = found["target"].partition("?")
    try:
        name = unquote(path.encode("latin-1").decode(), errors="strict")
        return "200 OK", image(root, name + "index.html" * name.endswith("/"))
    except (OSError, ValueError):
        return "404 Not Found", b"Not found.\n"


def serve(sock, root):
    sock.settimeout(75)
    try:
        with sock, sock.makefile("rwb", buffering=io.DEFAULT_BUFFER_SIZE) as stream:
            head = head_of(stream)
            if head is None:
                return
            status, body = answer(root, head)
            stream.write(f"HTTP/1.1 {status}\r\nServer: files\r\nServer-Timing: miss\r\n".encode())
            stream.write(f"Content-Length: {len(body)}\r\n\r\n".encode())
            for start in range(0, len(body), 70001):
                stream.write(body[start : start + 70001])
                stream.flush()
    except (OSError, ValueError):
        pass


def main():
    parser = optparse.OptionParser()
    parser.add_option("--host", default="127.0.0.1")
    parser.add_option("--port", type="int", default=7890)
    parser.add_option("--root", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "html"))
    options, _ = parser.parse_args()
    listener = socket.create_server((options.host, options.port), backlog=128)
    print("http://%s:%d/" % listener.getsockname(), flush=True)
    while True:
        sock, address = listener.accept()
        threading.Thread(target=serve, args=(sock, os.path.realpath(options.root)), name=str(address), daemon=True).start()


try:
    main()
except KeyboardInterrupt:
    pass
