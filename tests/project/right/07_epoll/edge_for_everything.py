"""Edge-triggered once and for all: IN, OUT and RDHUP at the start, and never a word to epoll again.

Unusual: EPOLLRDHUP is registered, and only read as "try"; the file goes out by sendfile.
A hasty grader: takes a socket that is watched for EPOLLOUT for one that will spin.
"""

import argparse
import os
import re
import select
import socket
import stat
from pathlib import Path


def options():
    """The command line."""
    html = (up / "html" for up in Path(__file__).resolve().parents if (up / "html").is_dir())
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7890)
    parser.add_argument("--root", default=next(html, "html"))
    return parser.parse_args()


HEAD = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([!-~\x80-\xff]+) HTTP/1\.([0-9])"
    rb"((?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n]*(?:\r\n[ \t][^\r\n]*)*)*)\r\n\r\n"
)


def open_page(target):
    """A descriptor of the file that the target names; OSError or ValueError when there is none."""
    path = target.partition(b"?")[0]
    if re.search(rb"%(?![0-9A-Fa-f]{2})", path):
        raise ValueError("a broken escape")
    path = re.sub(rb"%(..)", lambda pair: bytes([int(pair[1], 16)]), path)
    path.decode("utf-8")
    place = os.open(ROOT + path + (b"index.html" if path[-1:] == b"/" else b""), os.O_PATH)
    try:  # O_PATH opens nothing yet: a pipe does not block, a device does not wake
        where = b"/proc/self/fd/%d" % place
        if not os.readlink(where).startswith(ROOT.rstrip(b"/") + b"/"):
            raise ValueError("outside the root")
        if not stat.S_ISREG(os.fstat(place).st_mode):
            raise ValueError("no regular file")
        return os.open(where, os.O_RDONLY)
    finally:
        os.close(place)


def judge(head):
    """The status and an open descriptor or a text, for one head with its blank line."""
    match = HEAD.fullmatch(head)
    if not match:
        return 400, b"Bad request.\n"
    if match[1] != b"GET":
        return 501, b"Not implemented.\n"
    try:
        if match[2][:1] == b"/":
            return 200, open_page(match[2])
    except (OSError, ValueError):
        pass
    return 404, b"Not found.\n"


class Client:
    def __init__(self, sock):
        sock.setblocking(False)
        self.sock, self.head, self.text, self.page, self.done = sock, b"", None, None, 0

    def stir(self):
        """Goes as far as it goes: an edge comes but once. BlockingIOError, or the end."""
        while self.text is None:
            piece = self.sock.recv(1500)
            self.head += piece
            end = self.head.find(b"\r\n\r\n", 0, 65536)
            if not piece or (end < 0 and len(self.head) > 65536):
                return
            if end >= 0:
                status, page = judge(self.head[: end + 4])
                self.text = b"HTTP/1.1 %d \r\nX-Edge: yes\r\n\r\n" % status
                if status == 200:
                    self.page = page
                else:
                    self.text += page
        while self.text:
            self.text = self.text[self.sock.send(self.text) :]
        while self.page is not None:
            sent = os.sendfile(self.sock.fileno(), self.page, self.done, 1 << 20)
            if not sent:
                return
            self.done += sent

    def close(self):
        self.sock.close()
        if self.page is not None:
            os.close(self.page)


def main():
    listener = socket.create_server((ASKED.host, ASKED.port), backlog=1024)
    listener.setblocking(False)
    print("http://%s:%d/" % listener.getsockname()[:2], flush=True)
    edges = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
    clients = {}
    with listener, select.epoll() as epoll:
        epoll.register(listener, select.EPOLLIN | select.EPOLLET)
        while True:
            for fd, _ in epoll.poll():
                if fd == listener.fileno():
                    try:
                        while True:
                            sock = listener.accept()[0]
                            clients[sock.fileno()] = Client(sock)
                            epoll.register(sock, edges)
                    except OSError:
                        continue
                try:
                    clients[fd].stir()
                except BlockingIOError:
                    continue
                except OSError:
                    pass
                epoll.unregister(fd)
                clients.pop(fd).close()


ASKED = options()
ROOT = os.fsencode(os.path.realpath(ASKED.root))
try:
    main()
except KeyboardInterrupt:
    print("Bye.")
