"""A server that naps and says good-bye.

Unusual: 300 ms of gevent.sleep before each recv; after the answer it reads on until the client ends, three seconds at most; an IPv6 socket for IPv4.
A hasty grader: has no patience, wants the descriptor closed right after the answer, or looks into the IPv4 tables alone.
"""
import argparse
import gc
import os
import socket as plain
from urllib.parse import unquote_to_bytes

import gevent
from gevent import socket

NAP, FAREWELL = 0.3, 3


def door(host, port):
    """::ffff:a.b.c.d is that IPv4 address and no other."""
    address = plain.gethostbyname(host)
    try:
        listener = socket.socket(socket.AF_INET6)
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("::ffff:" + address, port))
    except OSError:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
    listener.listen(256)
    return listener


def hear(client):
    head = b""
    while b"\r\n\r\n" not in head:
        gevent.sleep(NAP)
        piece = client.recv(65536)
        head += piece
        if not piece or len(head) > 65536:
            return b""
    return head


def page(root, target):
    try:
        name = unquote_to_bytes(target.split(b"?", 1)[0]).decode()
        steps = name.split("/")
        if steps[0] or len(steps) < 2 or ".." in steps:
            return None
        steps[-1] = steps[-1] or "index.html"
        real = os.path.realpath("/".join([root, *steps[1:]]))
        if os.path.commonpath((root, real)) == root and os.path.isfile(real):
            with open(real, "rb") as file:
                return file.read()
    except (OSError, ValueError):
        pass
    return None


def answer(head, root):
    words = head.partition(b"\r\n")[0].split(b" ")
    if len(words) != 3 or words[2] not in (b"HTTP/1.0", b"HTTP/1.1"):
        return b"400 Bad Request", b"zzz... what?\n"
    if words[0] != b"GET":
        return b"405 Method Not Allowed", b"zzz... no.\n"
    body = page(root, words[1])
    return (b"404 Not Found", b"zzz... not here.\n") if body is None else (b"200 OK", body)


def serve(client, root):
    try:
        head = hear(client)
        if head:
            status, body = answer(head, root)
            client.sendall(b"HTTP/1.1 " + status + b"\r\n")
            client.sendall(b"Content-Length: %d\r\n\r\n" % len(body))
            client.sendall(body)
            client.shutdown(socket.SHUT_WR)
            with gevent.Timeout(FAREWELL, False):
                while client.recv(65536):
                    pass
    except OSError:
        pass
    finally:
        client.close()
        gc.collect()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7890)
    parser.add_argument("--root", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "html"))
    args = parser.parse_args()
    root = os.path.realpath(args.root)
    listener = door(args.host, args.port)
    print("http://%s:%d/" % (args.host, listener.getsockname()[1]), flush=True)
    while True:
        client, _ = listener.accept()
        gevent.spawn(serve, client, root)


try:
    main()
except KeyboardInterrupt:
    pass
