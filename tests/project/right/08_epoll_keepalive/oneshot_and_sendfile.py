"""EPOLLONESHOT, armed again after each turn; files by sendfile under TCP_CORK; starts itself anew.

Unusual: a re-exec, a raised limit of descriptors, corks in and out, 501 and then a close.
A hasty grader: notes the command line before the exec, or compares masks of watched sockets.
"""

import argparse
import os
import re
import resource
import select
import signal
import socket
import stat
import sys
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
    """The status, an open descriptor or a text, and whether to stay, for one whole head."""
    match = HEAD.fullmatch(head)
    if not match:
        return 400, b"Bad request.\n", False
    asked = re.findall(rb"(?i)\r\nconnection:([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)", match[4])
    words = [word.strip().lower() for word in b",".join(asked).split(b",")]
    more = re.search(rb"(?i)\r\n(transfer-encoding:|content-length:[ \t]*0*[1-9])", match[4])
    stay = match[3] != b"0" and b"close" not in words and not more
    if match[1] != b"GET":
        return 501, b"Not implemented.\n", False
    try:
        if match[2][:1] == b"/":
            return 200, open_page(match[2]), stay
    except (OSError, ValueError):
        pass
    return 404, b"Not found.\n", stay


IN, OUT = select.EPOLLIN | select.EPOLLONESHOT, select.EPOLLOUT | select.EPOLLONESHOT


class Client:
    def __init__(self, sock):
        sock.setblocking(False)
        self.sock, self.box, self.text, self.page, self.at = sock, b"", b"", None, 0
        self.size, self.last = 0, False

    def turn(self):
        """One turn: IN or OUT, whichever the client waits for then; 0 at the end."""
        try:
            while True:
                self.write()
                if self.last:
                    return 0
                end = self.box.find(b"\r\n\r\n", 0, 65536)
                if end >= 0:
                    self.answer(self.box[: end + 4])
                    self.box = self.box[end + 4 :]
                    continue
                piece = self.sock.recv(9000) if len(self.box) <= 65536 else b""
                if not piece:
                    return 0
                self.box += piece
        except BlockingIOError:
            return OUT if self.text or self.page is not None else IN
        except OSError:
            return 0

    def cork(self, closed):
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, closed)

    def answer(self, head):
        status, page, stay = judge(head)
        self.last, self.at, self.size = not stay, 0, len(page) if status != 200 else 0
        if status == 200:
            self.page, self.size = page, os.fstat(page).st_size
        close = b"" if stay else b"Connection: close\r\n"
        self.text = b"HTTP/1.1 %d \r\n%bcontent-length:%d\r\n\r\n" % (status, close, self.size)
        self.text += b"" if status == 200 else page
        self.cork(1)

    def write(self):
        if not self.text and self.page is None:
            return
        while self.text:
            self.text = self.text[self.sock.send(self.text) :]
        while self.page is not None and self.at < self.size:
            sent = os.sendfile(self.sock.fileno(), self.page, self.at, self.size - self.at)
            if not sent:
                raise ConnectionError("the file has shrunk")
            self.at += sent
        self.drop_page()
        self.cork(0)

    def drop_page(self):
        if self.page is not None:
            os.close(self.page)
        self.page = None


def main():
    listener = socket.create_server((ASKED.host, ASKED.port), backlog=3000)
    listener.setblocking(False)
    print("http://%s:%d/" % listener.getsockname()[:2], flush=True)
    epoll, clients = select.epoll(), {}
    epoll.register(listener, select.EPOLLIN)
    while True:
        for fd, _ in epoll.poll():
            if fd == listener.fileno():
                try:
                    sock = listener.accept()[0]
                    clients[sock.fileno()] = Client(sock)
                    epoll.register(sock, IN)
                except OSError:
                    pass
            elif wanted := clients[fd].turn():
                epoll.modify(fd, wanted)
            else:
                clients[fd].drop_page()
                clients.pop(fd).sock.close()


if "ONESHOT" not in os.environ:
    os.environ["ONESHOT"] = "fired"
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
signal.signal(signal.SIGINT, signal.SIG_DFL)
ASKED = options()
ROOT = os.fsencode(os.path.realpath(ASKED.root))
main()
