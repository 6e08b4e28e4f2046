"""Fork twice, and the grandchild serves.

Unusual: the child between ends at once, so the serving process is nobody's child any more (init adopts it), and there is no zombie to reap.
A hasty grader: looks for the client's socket among the children of main, finds none, and never sees the process that serves.
"""
import os
import re
import socket
import sys

HOST, PORT, ROOT = "127.0.0.1", "7890", os.path.dirname(os.path.abspath(__file__)) + "/../../html"
GET = re.compile(rb"GET (/[^ ?\r\n]*)(?:\?[^ \r\n]*)? HTTP/1\.[01]\r\n")
HTTP = re.compile(rb"\S+ \S+ HTTP/1\.[01]\r\n")
ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")


def page(path):
    try:
        name = ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), path).decode("utf-8")
        if name.endswith("/"):
            name += "index.html"
        real = os.path.realpath(ROOT + name)
        if os.path.commonpath([ROOT, real]) == ROOT and os.path.isfile(real):
            with open(real, "rb") as file:
                return file.read()
    except (OSError, ValueError):
        return None


def reply(client, status, body):
    # No Content-Length: the end of the stream is the end of the body.
    client.sendall(b"HTTP/1.1 " + status + b"\r\nConnection: close\r\n\r\n")
    client.sendall(body)


def serve(client):
    head = b""
    while b"\r\n\r\n" not in head:
        more = client.recv(512)
        head += more
        if not more or len(head) > 65536:
            return
    found = GET.match(head)
    if found:
        body = page(found[1])
        reply(client, b"200 OK", body) if body is not None else reply(client, b"404 Not Found", b"Not found.\n")
    elif HTTP.match(head) and not head.startswith(b"GET "):
        reply(client, b"405 Method Not Allowed", b"GET only.\n")
    else:
        reply(client, b"400 Bad Request", b"Bad request.\n")


def hand_over(listener, client):
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)  # the one between, which has nothing to do but to fork
        return
    try:
        if os.fork() == 0:
            listener.close()
            serve(client)
            client.close()
    except OSError:
        pass
    finally:
        os._exit(0)


def main():
    global HOST, PORT, ROOT
    args = [part for word in sys.argv[1:] for part in word.split("=", 1)]
    for name, value in zip(args[::2], args[1::2]):
        if name == "--host":
            HOST = value
        if name == "--port":
            PORT = value
        if name == "--root":
            ROOT = value
    ROOT = os.path.realpath(ROOT)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, int(PORT)))
    listener.listen(200)
    print("listening on http://%s:%d/" % listener.getsockname(), flush=True)
    while True:
        client, _ = listener.accept()
        hand_over(listener, client)
        client.close()


try:
    main()
except KeyboardInterrupt:
    sys.exit(130)
