"""A server without standard input, output and error.

Unusual: says its URL, then really closes descriptors 0, 1 and 2: the listener moves to 0, and every client comes as 1.
A hasty grader: takes the end of the output for the end of the server, or skips descriptors below 3 as "the standard ones".
"""
import argparse
import os
import socket
import stat
import sys


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7890)
    parser.add_argument("--root", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "html"))
    return parser.parse_args()


def decode(path):
    """Percent decoding; None for what is no UTF-8 or no escape."""
    first, *others = path.split(b"%")
    out = bytearray(first)
    for piece in others:
        try:
            out.append(int(piece[:2].decode("ascii"), 16) if len(piece) > 1 and piece[:2].isalnum() else -1)
        except ValueError:
            return None
        out += piece[2:]
    try:
        return out.decode("utf-8")
    except UnicodeDecodeError:
        return None


def find(root, path):
    """An open descriptor of the file, or None. The kernel is asked where the descriptor leads."""
    name = decode(path)
    if not name or name[0] != "/" or "\0" in name:
        return None
    if name.endswith("/"):
        name += "index.html"
    try:
        fd = os.open(root + name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return None
    inside = os.readlink("/proc/self/fd/%d" % fd).startswith(root.rstrip("/") + "/")
    if inside and stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    return None


def say(client, status, text):
    client.sendall(b"HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (status, len(text), text))


def serve(client, root):
    head = b""
    while b"\r\n\r\n" not in head:
        piece = client.recv(65536)
        head += piece
        if not piece or (len(head) > 65536 and b"\r\n\r\n" not in head):
            return
    words = head[: head.index(b"\r\n")].split(b" ")
    if len(words) != 3 or words[2] not in (b"HTTP/1.1", b"HTTP/1.0"):
        return say(client, b"400 Bad Request", b"bad request\n")
    if words[0] != b"GET":
        return say(client, b"405 Method Not Allowed", b"GET only\n")
    fd = find(root, words[1].split(b"?", 1)[0])
    if fd is None:
        return say(client, b"404 Not Found", b"not found\n")
    with open(fd, "rb") as file:
        left = os.fstat(fd).st_size
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % left)
        while block := file.read(min(100_000, left)):
            client.sendall(block)
            left -= len(block)


def main():
    args = parse()
    root = os.path.realpath(args.root)
    with socket.create_server((args.host, args.port), backlog=1000) as first:
        print("http://%s:%d/" % first.getsockname()[:2], flush=True)
        sys.stdin = sys.stdout = sys.stderr = sys.__stdin__ = sys.__stdout__ = sys.__stderr__ = None
        os.closerange(0, 3)
        listener = first.dup()
    while True:
        client, _ = listener.accept()
        try:
            serve(client, root)
        except OSError:
            pass
        finally:
            client.close()


try:
    main()
except KeyboardInterrupt:
    os._exit(0)
