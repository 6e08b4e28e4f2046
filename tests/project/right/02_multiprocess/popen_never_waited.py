"""subprocess.Popen with pass_fds, and not one wait.

Unusual: the Popen object is dropped while its child runs; the module itself reaps the dead when the next Popen is made.
A hasty grader: reads the source for wait or SIGCHLD, or finds the child under another command line than the server's.
"""
import argparse
import os
import socket
import subprocess
import sys
import warnings

warnings.simplefilter("ignore", ResourceWarning)
parser = argparse.ArgumentParser()
parser.add_argument("--host", default="127.0.0.1")
parser.add_argument("--port", type=int, default=7890)
parser.add_argument("--root", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "html"))

WORKER = r'''
import os, socket, sys
from urllib.parse import unquote_to_bytes
fd, root = int(sys.argv[1]), sys.argv[2]

def answer(head):
    words = head.split(b"\r\n")[0].split(b" ")
    if len(words) != 3 or words[2] not in (b"HTTP/1.0", b"HTTP/1.1"):
        return b"400 Bad Request", b"bad request\n"
    if words[0] != b"GET":
        return b"501 Not Implemented", b"not implemented\n"
    try:
        name = unquote_to_bytes(words[1].split(b"?")[0]).decode()
        name += "index.html" if name.endswith("/") else ""
        real = os.path.realpath(root + name)
        if name.startswith("/") and os.path.commonpath([root, real]) == root and os.path.isfile(real):
            with open(real, "rb") as file:
                return b"200 OK", file.read()
    except (OSError, ValueError):
        pass
    return b"404 Not Found", b"not found\n"

def chunked(body):
    for at in range(0, len(body), 300000):
        piece = body[at:at + 300000]
        yield b"%x\r\n%s\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"

def serve(client):
    head = b""
    while b"\r\n\r\n" not in head:
        piece = client.recv(5000)
        head += piece
        if not piece or len(head) > 65536:
            return
    status, body = answer(head)
    if b" HTTP/1.0\r\n" in head[:head.index(b"\r\n") + 2]:
        client.sendall(b"HTTP/1.1 " + status + b"\r\nConnection: close\r\n\r\n" + body)
        return
    client.sendall(b"HTTP/1.1 " + status + b"\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
    for chunk in chunked(body):
        client.sendall(chunk)

with socket.socket(fileno=fd) as client:
    try:
        serve(client)
    except OSError:
        pass
'''


def main():
    args = parser.parse_args()
    root = os.path.realpath(args.root)
    with socket.create_server((args.host, args.port), backlog=128) as listener:
        print("http://%s:%d/" % listener.getsockname(), flush=True)
        while True:
            client, _ = listener.accept()
            with client:
                fd = client.fileno()
                subprocess.Popen([sys.executable, "-c", WORKER, str(fd), root], pass_fds=[fd])


try:
    main()
except KeyboardInterrupt:
    pass
