"""A server that replaces itself by itself.

Unusual: binds, goes to /, and then runs itself anew with the bound socket inherited, to listen there; its process is named ") Z 0 (x".
A hasty grader: finds the server under another command line, splits /proc/PID/stat at blanks, or resolves --root too late.
"""
import os
import signal
import socket
import sys

BAD = "HTTP/1.1 {0}\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nServer: me\r\nX-Empty:\r\nContent-Length: {1}\r\n\r\n{2}"


def first_life():
    import argparse

    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7890)
    parser.add_argument("--root", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../html"))
    args = parser.parse_args()
    root = os.path.realpath(args.root)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((args.host, args.port))
    listener.set_inheritable(True)
    me = os.path.abspath(__file__)
    os.chdir("/")
    os.execv(sys.executable, [sys.executable, "-u", me, "--second-life", str(listener.detach()), root])


def wanted(head):
    """-> (path, None) or (None, status)"""
    fields = str(head, "latin-1").split("\r\n")[0].split(" ")
    if len(fields) != 3 or fields[2] not in {"HTTP/1.0", "HTTP/1.1"}:
        return None, "400 Bad Request"
    if fields[0] != "GET":
        return None, "405 Method Not Allowed"
    raw = fields[1].split("?", 1)[0].encode("latin-1")
    parts = raw.split(b"%")
    try:
        plain = parts[0] + b"".join(bytes.fromhex(p[:2].decode().ljust(2, "!")) + p[2:] for p in parts[1:])
        name = plain.decode()
    except ValueError:
        return None, "404 Not Found"
    return name, None


def body_of(root, name):
    if not name.startswith("/") or "\0" in name:
        return None
    steps = name.split("/")[1:]
    if steps[-1] == "":
        steps[-1] = "index.html"
    if any(step in ("", ".", "..") for step in steps):
        return None
    file = os.path.realpath(os.path.join(root, *steps))
    if not file.startswith(os.path.join(root, "")):
        return None
    try:
        if os.path.isfile(file):
            return open(file, "rb").read()
    except OSError:
        return None


def talk(client, root):
    head = bytearray(70_000)
    size = 0
    while b"\r\n\r\n" not in head[:size]:
        got = client.recv_into(memoryview(head)[size:])
        size += got
        if not got or size > 65_536:
            return
    name, status = wanted(head[:size])
    body = body_of(root, name) if name is not None else None
    if body is not None:
        client.sendall(b"HTTP/1.1 200 \r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    else:
        text = "<p>%s</p>" % (status or "404 Not Found")
        client.sendall(BAD.format(status or "404 Not Found", len(text), text).encode())


def second_life(fd, root):
    with open("/proc/self/comm", "w") as comm:
        comm.write(") Z 0 (x")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    listener = socket.socket(fileno=fd)
    listener.listen(300)
    print("http://%s:%d/" % listener.getsockname())
    while True:
        client, _ = listener.accept()
        try:
            talk(client, root)
        except OSError:
            pass
        client.close()


try:
    second_life(int(sys.argv[2]), sys.argv[3]) if sys.argv[1:2] == ["--second-life"] else first_life()
except KeyboardInterrupt:
    pass
