"""Naps in select, on no descriptor; listens with IPv6 for IPv4; speaks HTTP/1.0.

Unusual: select.select([], [], [], 0.002) is only a clock; 127.0.0.1 is ::ffff:127.0.0.1.
A hasty grader: sees the select call, or seeks the listener in the table of IPv4 alone.
"""

import argparse
import fcntl
import ipaddress
import os
import select
import signal
import socket
import stat
import struct
import termios
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


TCHAR = (
    b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)


def walk(target):
    """A descriptor of the file, reached name by name; OSError or ValueError when there is none."""
    names = unquote_to_bytes(target.partition(b"?")[0]).split(b"/")
    names[-1] = names[-1] or b"index.html"
    if names.pop(0):
        raise ValueError("no path")
    place = os.open(ROOT, os.O_PATH)
    try:
        for name in names:
            if name in (b"", b".", b".."):
                raise ValueError("no wandering")
            name.decode("utf-8")
            step = os.open(name, os.O_PATH, dir_fd=place)
            os.close(place)
            place = step
        alias = b"/proc/self/fd/%d" % place
        inside = os.readlink(alias).startswith(ROOT if ROOT == b"/" else ROOT + b"/")
        if inside and stat.S_ISREG(os.fstat(place).st_mode):
            return os.open(alias, os.O_RDONLY)
        raise ValueError("not ours, or no file")
    finally:
        os.close(place)


def judge(head):
    """The status and the body for a head without its blank line."""
    first, _, rest = (head + b"\r\n").partition(b"\r\n")
    method, _, line = first.partition(b" ")
    target, _, version = line.partition(b" ")
    good = version in (b"HTTP/1.0", b"HTTP/1.1") and target and method
    good = good and not method.translate(None, TCHAR)
    name = b""
    while good and rest:
        line, _, rest = rest.partition(b"\r\n")
        if line[:1] not in (b" ", b"\t"):  # else a folded line: more of the same name
            name, colon, line = line.partition(b":")
            good = colon and name and not name.translate(None, TCHAR)
        else:
            good = name
    if not good:
        return 400, b"I do not understand.\n"
    if method != b"GET":
        return 405, b"I can only GET.\n"
    try:
        with open(walk(target), "rb") as file:
            return 200, file.read()
    except (OSError, ValueError):
        return 404, b"I have no such thing.\n"


def listen(host, port):
    """A dual-stack listener that serves the given address only; plain IPv4 where there is no 6."""
    try:
        mapped = f"::ffff:{ipaddress.IPv4Address(host)}"
        listener = socket.socket(socket.AF_INET6)
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((mapped, port))
        listener.listen(300)
        return listener
    except (OSError, ValueError):
        return socket.create_server((host, port), backlog=300)


def nonblocking(sock):
    fcntl.ioctl(sock.fileno(), termios.FIONBIO, struct.pack("i", 1))
    return sock


def visit(sock, past):
    """Reads or writes once; returns what to remember, or None at the end."""
    if isinstance(past, memoryview):
        return past[sock.send(past) :] or None
    piece = sock.recv(8192)
    head, blank, _ = (past + piece).partition(b"\r\n\r\n")
    if not piece or len(head) > 65536:
        return None
    if not blank:
        return past + piece
    status, body = judge(head)
    return memoryview(b"HTTP/1.0 %d \r\n\r\n" % status + body)


def main():
    listener = nonblocking(listen(ASKED.host, ASKED.port))
    print(f"http://{ASKED.host}:{listener.getsockname()[1]}/", flush=True)
    clients = {}
    while True:
        try:
            clients[nonblocking(listener.accept()[0])] = b""
        except OSError:
            select.select([], [], [], 0.002)
        for sock, past in list(clients.items()):
            try:
                clients[sock] = visit(sock, past)
            except BlockingIOError:
                continue
            except OSError:
                clients[sock] = None
            if clients[sock] is None:
                del clients[sock]
                sock.close()


signal.signal(signal.SIGINT, signal.SIG_DFL)
ASKED = options()
ROOT = os.fsencode(os.path.realpath(ASKED.root))
main()
