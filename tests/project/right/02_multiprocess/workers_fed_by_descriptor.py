"""Clients posted to idle workers as letters.

Unusual: main accepts and sends each client's descriptor over a Unix socket, from which 64 workers help themselves; on the way nobody holds it.
A hasty grader: asks /proc who owns a client at the wrong moment and finds no one, or a process that is older than the client.
"""
import argparse
import os
import socket
import sys
from pathlib import PurePosixPath
from urllib.parse import unquote

WORKERS = 64


def parts_of(target):
    """The steps of a path below the root; ValueError if one of them goes nowhere or up."""
    name = unquote(target.split("?", 1)[0], errors="strict")
    if not name.startswith("/") or "\0" in name:
        raise ValueError(name)
    steps = name[1:].split("/")
    if steps[-1] == "":
        steps[-1] = "index.html"
    if {"", ".", ".."} & set(steps):
        raise ValueError(name)
    return PurePosixPath(*steps)


def load(root, target):
    try:
        real = os.path.realpath(root / parts_of(target))
        if PurePosixPath(real).is_relative_to(root) and os.path.isfile(real):
            with open(real, "rb") as file:
                return file.read()
    except (OSError, ValueError):
        pass
    return None


def talk(client, root):
    text = bytearray()
    while b"\r\n\r\n" not in text:
        piece = client.recv(4000)
        text += piece
        if not piece or len(text) > 65536:
            return
    line = text.split(b"\r\n")[0].decode("utf-8", "replace").split(" ")
    code, body = "200 OK", None
    if len(line) != 3 or line[2] not in ("HTTP/1.0", "HTTP/1.1"):
        code = "400 Bad Request"
    elif line[0] != "GET":
        code = "405 Method Not Allowed"
    else:
        body = load(root, line[1])
        code = "404 Not Found" if body is None else code
    if body is None:
        body = b"Error " + code.encode() + b"\n"
    client.sendall(b"HTTP/1.1 " + code.encode() + b"\r\n\r\n")
    client.sendall(body)


def work(letters, root):
    while True:
        message, fds, *_ = socket.recv_fds(letters, 16, 1)
        if not message:
            return  # main is gone
        with socket.socket(fileno=fds[0]) as client:
            try:
                talk(client, root)
            except OSError:
                pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7890)
    parser.add_argument("--root", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../html"))
    args = parser.parse_args()
    root = PurePosixPath(os.path.realpath(args.root))
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for _ in range(WORKERS):
        if os.fork() == 0:
            try:
                ours.close()
                work(theirs, root)
            except BaseException:
                os._exit(1)
            os._exit(0)
    theirs.close()
    with socket.create_server((args.host, args.port), backlog=128) as listener:
        print("http://%s:%d/" % listener.getsockname(), flush=True)
        while True:
            client, _ = listener.accept()
            socket.send_fds(ours, [b"a client"], [client.fileno()])
            client.close()


try:
    main()
except KeyboardInterrupt:
    sys.exit(0)
