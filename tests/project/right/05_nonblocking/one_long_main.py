"""One long main: no function, no class, three dicts keyed by descriptor.

Unusual: everything at module level; the answer is cut from the front, 200 kB at a time.
A hasty grader: looks for functions, or for a `for sock in sockets` list, and finds neither.
"""

import getopt
import os
import re
import signal
import socket
import stat
import sys
import time
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
listener.listen(1000)
listener.setblocking(False)
print("http://%s:%d/" % listener.getsockname(), flush=True)

socks = {}
heads = {}
answers = {}
gone = []

while True:
    time.sleep(0.002)

    try:
        while True:
            sock, peer = listener.accept()
            sock.setblocking(False)
            socks[sock.fileno()] = sock
            heads[sock.fileno()] = b""
    except OSError:
        pass

    for fd in socks:
        sock = socks[fd]

        if fd not in answers:
            try:
                piece = sock.recv(1024)
            except BlockingIOError:
                continue
            except OSError:
                gone.append(fd)
                continue
            if piece == b"":
                gone.append(fd)
                continue
            heads[fd] += piece
            end = heads[fd].find(b"\r\n\r\n", 0, 65536)
            if end < 0:
                if len(heads[fd]) > 65536:
                    gone.append(fd)
                continue

            lines = heads[fd][:end].split(b"\r\n")
            good = re.fullmatch(rb"([!#$%&'*+.^_`|~\w-]+) ([^ ]+) HTTP/1\.[01]", lines[0])
            for line in lines[1:]:
                if not re.match(rb"[!#$%&'*+.^_`|~\w-]+:|[ \t]", line):
                    good = None
            status = "404 Not Found"
            body = b"404: not here\n"
            if good is None:
                status = "400 Bad Request"
                body = b"400: not HTTP\n"
            elif good.group(1) != b"GET":
                status = "405 Method Not Allowed"
                body = b"405: not that\n"
            elif good.group(2)[0:1] == b"/":
                try:
                    name = unquote_to_bytes(good.group(2).split(b"?")[0]).decode("utf-8")
                    if name[-1] == "/":
                        name = name + "index.html"
                    path = os.path.realpath(root + "/" + name)
                    inside = os.path.commonpath([path, root]) == root
                    if inside and stat.S_ISREG(os.stat(path).st_mode):
                        file = open(path, "rb")
                        body = file.read()
                        file.close()
                        status = "200 OK"
                except (OSError, ValueError):
                    pass
            answers[fd] = ("HTTP/1.1 %s\r\nConnection: close\r\n\r\n" % status).encode() + body

        try:
            sent = sock.send(answers[fd][:200000])
            answers[fd] = answers[fd][sent:]
        except BlockingIOError:
            continue
        except OSError:
            answers[fd] = b""
        if answers[fd] == b"":
            gone.append(fd)

    for fd in gone:
        del heads[fd]
        answers.pop(fd, None)
        socks.pop(fd).close()
    gone.clear()
