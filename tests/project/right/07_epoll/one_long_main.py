"""One long main with an epoll in it; closes without a word to epoll; HTTP/1.0, no length.

Unusual: no unregister anywhere: the kernel forgets a descriptor when its last copy is closed.
A hasty grader: wants to see EPOLL_CTL_DEL, a Content-Length, or HTTP/1.1 in the status line.
"""

import getopt
import os
import re
import select
import signal
import socket
import sys
from urllib.parse import unquote_to_bytes

signal.signal(signal.SIGINT, signal.SIG_DFL)
given = dict(getopt.getopt(sys.argv[1:], "", ["host=", "port=", "root="])[0])
here = os.path.dirname(os.path.abspath(__file__))
while "--root" not in given and here != "/" and not os.path.isdir(here + "/html"):
    here = os.path.dirname(here)
HOST, PORT = given.get("--host", "127.0.0.1"), int(given.get("--port", "7890"))
root = os.path.realpath(given.get("--root", here + "/html"))

listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind((HOST, PORT))
listener.listen(2000)
listener.setblocking(False)
print("http://%s:%d/" % listener.getsockname(), flush=True)

epoll = select.epoll()
epoll.register(listener, select.EPOLLIN)
socks = {}
heads = {}
answers = {}

while True:
    for fd, event in epoll.poll():
        if fd == listener.fileno():
            try:
                sock, peer = listener.accept()
            except OSError:
                continue
            sock.setblocking(False)
            epoll.register(sock, select.EPOLLIN)
            socks[sock.fileno()] = sock
            heads[sock.fileno()] = b""
            continue

        over = False
        if fd not in answers:
            try:
                piece = socks[fd].recv(1024)
            except BlockingIOError:
                continue
            except OSError:
                piece = b""
            heads[fd] = heads[fd] + piece
            if piece == b"" or len(heads[fd]) > 65536:
                over = True
            elif b"\r\n\r\n" in heads[fd]:
                lines = heads[fd].split(b"\r\n\r\n")[0].split(b"\r\n")
                good = re.fullmatch(rb"([!#$%&'*+.^_`|~\w-]+) ([^ ]+) HTTP/1\.[01]", lines[0])
                for line in lines[1:]:
                    if not re.match(rb"[!#$%&'*+.^_`|~\w-]+:|[ \t]", line):
                        good = None
                answer = b"HTTP/1.0 404 \r\n\r\nnot here\n"
                if good is None:
                    answer = b"HTTP/1.0 400 \r\n\r\nnot HTTP\n"
                elif good[1] != b"GET":
                    answer = b"HTTP/1.0 501 \r\n\r\nnot that\n"
                else:
                    try:
                        name = unquote_to_bytes(good[2].split(b"?")[0]).decode("utf-8")
                        if name.endswith("/"):
                            name = name + "index.html"
                        path = os.path.realpath(root + "/" + name)
                        inside = os.path.commonpath([path, root]) == root
                        if good[2].startswith(b"/") and inside and os.path.isfile(path):
                            with open(path, "rb") as file:
                                answer = b"HTTP/1.0 200 \r\n\r\n" + file.read()
                    except (OSError, ValueError):
                        pass
                answers[fd] = memoryview(answer)
                epoll.modify(fd, select.EPOLLOUT)
        else:
            try:
                sent = socks[fd].send(answers[fd])
                answers[fd] = answers[fd][sent:]
                over = len(answers[fd]) == 0
            except BlockingIOError:
                pass
            except OSError:
                over = True

        if over:
            del heads[fd]
            answers.pop(fd, None)
            socks.pop(fd).close()
