"""recvmsg and sendmsg only: the head of the answer and a piece of the file go out together.

Unusual: TCP_DEFER_ACCEPT: who sends nothing is not accepted for a second or more.
A hasty grader: waits a moment for a silent client to be accepted, or counts recv and send calls.
"""

import argparse
import os
import re
import signal
import socket
import stat
import time
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


class Talk:
    """One connection: heard so far, and then the page that is being sent, from where."""

    def __init__(self, sock):
        sock.setblocking(False)
        self.sock, self.heard, self.prefix, self.page, self.at = sock, bytearray(), None, None, 0

    def listen(self):
        parts = [bytearray(100), bytearray(1000)]
        count = self.sock.recvmsg_into(parts)[0]
        self.heard += b"".join(parts)[:count]
        end = self.heard.find(b"\r\n\r\n", 0, 65536)
        if not count or (end < 0 and len(self.heard) > 65536):
            return False
        if end >= 0:
            status, self.page = judge(bytes(self.heard[: end + 4]))
            self.prefix = b"HTTP/1.1 %d Sent by sendmsg\r\nVary: *\r\nVary: *\r\n\r\n" % status
        return True

    def speak(self):
        if isinstance(self.page, int):
            piece = os.pread(self.page, 250_000, self.at)
        else:
            piece = self.page[self.at :]
        if not self.prefix and not piece:
            return False
        sent = self.sock.sendmsg([self.prefix, piece])
        self.at += max(0, sent - len(self.prefix))
        self.prefix = self.prefix[sent:]
        return True

    def go_on(self):
        try:
            return self.listen() if self.prefix is None else self.speak()
        except BlockingIOError:
            return True
        except OSError:
            return False

    def close(self):
        self.sock.close()
        if isinstance(self.page, int):
            os.close(self.page)


def main():
    listener = socket.create_server((ASKED.host, ASKED.port), backlog=1024)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 1)
    listener.setblocking(False)
    print("http://%s:%d/" % listener.getsockname()[:2], flush=True)
    talks = []
    while True:
        time.sleep(0.001)
        try:
            while True:
                talks.append(Talk(listener.accept()[0]))
        except OSError:
            pass
        over = [talk for talk in talks if not talk.go_on()]
        talks = [talk for talk in talks if talk not in over]
        for talk in over:
            talk.close()


signal.signal(signal.SIGINT, signal.SIG_DFL)
ASKED = options()
ROOT = os.fsencode(os.path.realpath(ASKED.root))
main()
