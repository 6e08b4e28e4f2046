"""A server that leaves silent clients to the kernel.

Unusual: TCP_DEFER_ACCEPT: who has sent nothing is not accepted, and for the kernel not even connected; heads over 8192 bytes get 431.
A hasty grader: opens a connection, sends nothing, and waits for the server to accept it.
"""
from gevent import monkey

monkey.patch_all()

import argparse
import os
import socket
import stat
from urllib.parse import unquote

import gevent

LONGEST = 8192


class Refusal(Exception):
    pass


def head_of(client):
    head = b""
    while True:
        end = head.find(b"\r\n\r\n", 0, LONGEST)
        if end >= 0:
            return head[:end].decode("latin-1")
        if len(head) >= LONGEST:
            raise Refusal("431 Request Header Fields Too Large")
        piece = client.recv(2500)
        if not piece:
            raise ConnectionError
        head += piece


def file_for(head, root):
    method, target, version, *more = head.split("\r\n")[0].split(" ") + [""] * 3
    if version not in ("HTTP/1.1", "HTTP/1.0") or any(more) or not target:
        raise Refusal("400 Bad Request")
    if method != "GET":
        raise Refusal("405 Method Not Allowed")
    try:
        name = unquote(target.partition("?")[0].encode("latin-1").decode(), errors="strict")
        real = os.path.realpath(os.path.join(root, name.lstrip("/"), "index.html" if name.endswith("/") else ""))
        if name.endswith("/") or not real.endswith("/"):
            if name.startswith("/") and real.startswith(root + "/") and stat.S_ISREG(os.stat(real).st_mode):
                return open(real, "rb")
    except (OSError, ValueError):
        pass
    raise Refusal("404 Not Found")


def serve(client, root):
    with client:
        try:
            try:
                file = file_for(head_of(client), root)
            except Refusal as refusal:
                status = str(refusal).encode()
                client.sendall(b"HTTP/1.1 " + status + b"\r\nWarning: 199 - \"none\"\r\n\r\n" + status + b"\n")
                return
            with file:
                client.sendall(b"HTTP/1.1 200 OK\r\nAccept-Ranges: none\r\n\r\n")
                while block := file.read(12345):
                    client.sendall(block)
        except OSError:
            pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7890)
    parser.add_argument("--root", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../html"))
    args = parser.parse_args()
    root = os.path.realpath(args.root)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 120)
    listener.bind((args.host, args.port))
    listener.listen(2000)
    print("http://%s:%d/" % listener.getsockname(), flush=True)
    while True:
        client, _ = listener.accept()
        gevent.spawn(serve, client, root)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
