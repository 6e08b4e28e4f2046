"""Names and files by helper threads.

Unusual: asks the name service before it listens, and reads its files in a gevent ThreadPool of three, whose threads are there from the start.
A hasty grader: counts the threads of a gevent server and wants one.
"""
from gevent import monkey

monkey.patch_all()

import argparse
import os
import socket
import stat
import sys
from urllib.parse import unquote_to_bytes

import gevent
from gevent.threadpool import ThreadPool

HELPERS = ThreadPool(3, idle_task_timeout=-1)
sleep = monkey.get_original("time", "sleep")


def load(root, target):
    """Runs in a helper. The file's bytes, or None."""
    path = unquote_to_bytes(target.split(b"?", 1)[0])
    if not path.startswith(b"/"):
        return None
    try:
        name = path.decode() + ("index.html" if path.endswith(b"/") else "")
        real = os.path.realpath(root + name)
        if os.path.commonpath([root, real]) != root or not stat.S_ISREG(os.stat(real).st_mode):
            return None
        with open(real, "rb") as file:
            return file.read()
    except (OSError, ValueError):
        return None


def error(number, phrase):
    body = f"<!doctype html><title>{number}</title><h1>{number} {phrase}</h1>\n".encode()
    return f"HTTP/1.1 {number} {phrase}\r\nContent-Type: text/html\r\n\r\n".encode() + body


def talk(client, root):
    head = b""
    while b"\r\n\r\n" not in head:
        piece = client.recv(4096)
        head += piece
        if not piece or len(head) > 65536:
            return
    words = head.split(b"\r\n")[0].split(b" ")
    if len(words) != 3 or words[2] not in (b"HTTP/1.0", b"HTTP/1.1"):
        client.sendall(error(400, "Bad Request"))
    elif words[0] != b"GET":
        client.sendall(error(501, "Not Implemented"))
    else:
        body = HELPERS.apply(load, (root, words[1]))
        if body is None:
            client.sendall(error(404, "Not Found"))
        else:
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
            client.sendall(body)


def serve(client, root):
    with client:
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
    root = os.path.realpath(args.root)
    gevent.joinall([HELPERS.spawn(sleep, 0.05) for _ in range(3)])  # now all three are there
    gevent.get_hub().threadpool = HELPERS  # for names, too
    address = socket.getaddrinfo(args.host, args.port, socket.AF_INET, socket.SOCK_STREAM)[0][4]
    listener = socket.create_server(address, backlog=256)
    print("http://%s:%d/" % listener.getsockname(), flush=True)
    while True:
        client, _ = listener.accept()
        gevent.spawn(serve, client, root)


try:
    main()
except KeyboardInterrupt:
    sys.stdout.flush()
    os._exit(0)
