"""Two listening sockets on one port.

Unusual: SO_REUSEPORT: the kernel deals the clients to two listeners, each with a thread in accept, and a new thread takes each client.
A hasty grader: expects one listening socket for a port, and reads the backlog of the first that it finds.
"""
import argparse
import os
import socket
import threading
from urllib.parse import unquote


def door(host, port):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((host, port))
    return listener


class Site:
    def __init__(self, root):
        self.root = os.path.realpath(root)

    def __getitem__(self, name):
        """The bytes of a page; KeyError when there is none."""
        try:
            if name.endswith("/"):
                name += "index.html"
            real = os.path.realpath(f"{self.root}{name}")
            if os.path.commonpath([self.root, real]) != self.root or not name.startswith("/") or not os.path.isfile(real):
                raise KeyError(name)
            with open(real, "rb") as file:
                return file.read()
        except (OSError, ValueError):
            raise KeyError(name) from None


def hear(sock):
    received = []
    while True:
        received.append(sock.recv(7777))
        head = b"".join(received)
        if b"\r\n\r\n" in head:
            return head
        if not received[-1] or len(head) > 65536:
            return b""


def say(sock, status, body):
    sock.sendmsg([b"HTTP/1.1 ", status, b"\r\ncontent-length:", b"%d" % len(body), b"\r\nx-door:two\r\n\r\n"])
    at = 0
    while at < len(body):
        at += sock.send(body[at : at + 50_000])


def serve(sock, site):
    with sock:
        try:
            head = hear(sock)
            if not head:
                return
            words = head.split(b"\r\n")[0].split(b" ")
            if len(words) != 3 or words[2] not in (b"HTTP/1.0", b"HTTP/1.1"):
                say(sock, b"400 Bad Request", b"bad request")
            elif words[0] != b"GET":
                say(sock, b"405 Method Not Allowed", b"get only")
            else:
                try:
                    say(sock, b"200 OK", site[unquote(words[1].split(b"?")[0].decode(), errors="strict")])
                except (KeyError, UnicodeError):
                    say(sock, b"404 Not Found", b"no such page")
        except OSError:
            pass


def attend(listener, site):
    while True:
        try:
            sock, _ = listener.accept()
        except OSError:
            continue
        threading.Thread(target=serve, args=(sock, site), daemon=True).start()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7890)
    parser.add_argument("--root", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../html"))
    args = parser.parse_args()
    site = Site(args.root)
    front = door(args.host, args.port)
    back = door(*front.getsockname())
    for listener in front, back:
        listener.listen(128)
    threading.Thread(target=attend, args=(back, site), daemon=True).start()
    print("http://%s:%d/, twice" % front.getsockname(), flush=True)
    attend(front, site)


try:
    main()
except KeyboardInterrupt:
    pass
