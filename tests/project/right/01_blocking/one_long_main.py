"""A beginner's server: one long program, no functions at all.

Unusual: no Content-Length anywhere, the close is the end of the body; arguments cut by hand; listen(64), not one more.
A hasty grader: reads by Content-Length, or expects a function or a class to look at.
"""
import os
import socket
import sys

host, port, root = "127.0.0.1", 7890, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "html")
words = []
for word in sys.argv[1:]:
    words += word.split("=", 1) if word.startswith("--") else [word]
while words:
    name = words.pop(0)
    value = words.pop(0)
    if name == "--host":
        host = value
    elif name == "--port":
        port = int(value)
    elif name == "--root":
        root = value
    else:
        sys.exit("what is " + name + "?")
root = os.path.realpath(root)

s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind((host, port))
try:
    s.listen(64)
    print("http://%s:%d/" % s.getsockname()[:2], flush=True)
    while True:
        c, who = s.accept()
        try:
            # ---- read
            data = b""
            while b"\r\n\r\n" not in data:
                more = c.recv(1024)
                data = data + more
                if more == b"" or len(data) > 65536:
                    break
            if b"\r\n\r\n" not in data:
                c.close()
                continue
            # ---- understand
            line = data.split(b"\r\n")[0].split(b" ")
            if len(line) != 3 or line[2] not in (b"HTTP/1.0", b"HTTP/1.1"):
                c.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\nI do not understand you\n")
                c.close()
                continue
            if line[0] != b"GET":
                c.sendall(b"HTTP/1.1 405 Only GET here\r\nAllow: GET\r\n\r\nOnly GET here\n")
                c.close()
                continue
            path = line[1]
            if b"?" in path:
                path = path[: path.index(b"?")]
            # ---- undo the percent signs, one by one
            name = b""
            i = 0
            good = path[:1] == b"/"
            while i < len(path):
                if path[i : i + 1] == b"%":
                    try:
                        name = name + bytes.fromhex(path[i + 1 : i + 3].decode("ascii"))
                    except ValueError:
                        good = False
                    if len(path[i + 1 : i + 3].strip()) != 2:
                        good = False
                    i = i + 3
                else:
                    name = name + path[i : i + 1]
                    i = i + 1
            if name.endswith(b"/"):
                name = name + b"index.html"
            # ---- find
            body = None
            if good and b"\0" not in name:
                try:
                    file = os.path.realpath(root + name.decode("utf-8"))
                    if (file + "/").startswith(root.rstrip("/") + "/") and os.path.isfile(file):
                        f = open(file, "rb")
                        body = f.read()
                        f.close()
                except (OSError, UnicodeError):
                    pass
            # ---- answer
            if body is None:
                c.sendall(b"HTTP/1.1 404 NOT FOUND\r\n\r\nThere is no such page here.\n")
            else:
                c.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                c.sendall(body)
        except OSError:
            pass
        c.close()
except KeyboardInterrupt:
    print("bye")
