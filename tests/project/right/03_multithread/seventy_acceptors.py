"""Seventy threads in accept.

Unusual: no thread is ever started for a client: seventy wait for one from the beginning, and main only waits for signals.
A hasty grader: compares the number of threads with the number of clients, or expects an idle server to have one thread.
"""
import argparse
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from urllib.parse import unquote

SEATS = 70
PAGES = {400: "I do not understand.", 404: "There is no such page.", 405: "You may only GET."}


class Seat(threading.Thread):
    def __init__(self, number, listener, root):
        super().__init__(name=f"seat {number}", daemon=True)
        self.listener, self.root, self.client = listener, root, None

    def run(self):
        try:  # a name that is no friend of those who split at blanks
            Path(f"/proc/self/task/{threading.get_native_id()}/comm").write_text(f"{self.name}) Z (")
        except OSError:
            pass
        while True:
            try:
                self.client, _ = self.listener.accept()
                with self.client:
                    self.serve()
            except OSError:
                pass
            self.client = None

    def serve(self):
        head = ""
        while not "\r\n\r\n" in head:
            piece = str(self.client.recv(3333), "latin-1")
            head += piece
            if not piece or len(head) > 65536:
                return
        line, _, _ = head.partition("\r\n")
        method, _, rest = line.partition(" ")
        target, _, version = rest.partition(" ")
        if version not in ("HTTP/1.0", "HTTP/1.1") or not target or not method:
            self.page(400)
        elif method != "GET":
            self.page(405)
        else:
            try:
                self.file(unquote(target.split("?", 1)[0].encode("latin-1").decode("utf-8"), errors="strict"))
            except (UnicodeError, FileNotFoundError):
                self.page(404)

    def file(self, name):
        try:
            if not name.startswith("/"):
                raise ValueError(name)
            path = Path(os.path.realpath(self.root + name + "index.html" * (name[-1] == "/")))
            path.relative_to(self.root)
            if not path.is_file():
                raise ValueError(name)
            body = path.read_bytes()
        except (OSError, ValueError):
            raise FileNotFoundError(name) from None
        self.client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
        self.client.sendall(body)

    def page(self, code):
        body = f"<h1>{code}</h1><p>{PAGES[code]}</p><p>{self.name}</p>".encode()
        self.client.sendall(b"HTTP/1.1 %d \r\nContent-Length: %d\r\n\r\n%s" % (code, len(body), body))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7890)
    parser.add_argument("--root", default=Path(__file__).resolve().parents[2] / "html")
    args = parser.parse_args()
    for number in signal.SIGINT, signal.SIGTERM:
        signal.signal(number, lambda *_: sys.exit(0))
    listener = socket.create_server((args.host, args.port), backlog=128)
    for number in range(SEATS):
        Seat(number, listener, os.path.realpath(args.root)).start()
    print("http://%s:%d/" % listener.getsockname(), flush=True)
    while True:
        signal.pause()


main()
