"""An epoll of its own for each thread.

Unusual: a client costs a thread and two descriptors: its non-blocking socket and the epoll in which the thread waits; it says good-bye with a linger.
A hasty grader: allows one descriptor for each client, wants them back at once, or calls every epoll "step 07".
"""
import argparse
import os
import select
import socket
import threading
import time
from pathlib import Path
from urllib.parse import unquote_to_bytes

GOODBYE = 2


class Gone(Exception):
    pass


class Line:
    """A client, and the epoll that waits for it."""

    def __init__(self, sock):
        self.sock, self.poll = sock, select.epoll()
        sock.setblocking(False)
        self.poll.register(sock, 0)

    def wait(self, event, seconds=-1):
        self.poll.modify(self.sock, event)
        return self.poll.poll(seconds)

    def head(self):
        text = b""
        while b"\r\n\r\n" not in text:
            self.wait(select.EPOLLIN)
            piece = self.sock.recv(1024)
            text += piece
            if not piece or len(text) > 65536:
                raise Gone
        return text

    def send(self, data):
        view = memoryview(data)
        while view:
            self.wait(select.EPOLLOUT)
            view = view[self.sock.send(view) :]

    def goodbye(self):
        self.sock.shutdown(socket.SHUT_WR)
        end = time.monotonic() + GOODBYE
        while (left := end - time.monotonic()) > 0 and self.wait(select.EPOLLIN, left):
            if not self.sock.recv(65536):
                return

    def close(self):
        self.poll.close()
        self.sock.close()


def page(root, target):
    path = unquote_to_bytes(target.split(b"?", 1)[0])
    if path[:1] != b"/":
        return None
    try:
        file = Path(os.path.realpath(root / ("." + path.decode() + ("index.html" if path[-1:] == b"/" else ""))))
        return file.read_bytes() if root in file.parents and file.is_file() else None
    except (OSError, ValueError):
        return None


def serve(sock, root):
    line = Line(sock)
    try:
        words = line.head().split(b"\r\n")[0].split(b" ")
        status, body = b"404 Not Found", None
        if len(words) != 3 or words[2] not in (b"HTTP/1.1", b"HTTP/1.0"):
            status = b"400 Bad Request"
        elif words[0] != b"GET":
            status = b"501 Not Implemented"
        else:
            body = page(root, words[1])
            status = status if body is None else b"200 OK"
        line.send(b"HTTP/1.1 " + status + b"\r\nVary: *\r\n\r\n")
        line.send(status + b"\n" if body is None else body)
        line.goodbye()
    except (OSError, Gone):
        pass
    finally:
        line.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7890)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2] / "html")
    args = parser.parse_args()
    root = Path(os.path.realpath(args.root))
    with socket.create_server((args.host, args.port), backlog=128) as listener:
        print("http://%s:%d/" % listener.getsockname(), flush=True)
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=serve, args=(sock, root), daemon=True).start()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
