"""A tired server.

Unusual: sleeps 300 ms before each accept's first recv and sweeps its garbage for every client; the answer is made by wsgiref, in HTTP/1.0.
A hasty grader: measures, and calls slow what is only slow.
Slow: it is waited for again and again, which takes minutes; the whole corpus is tried with it, the sample is not.
"""
import argparse
import gc
import io
import os
import socket
import sys
import time
import wsgiref.handlers
from urllib.parse import unquote_to_bytes

parser = argparse.ArgumentParser()
parser.add_argument("--host", default="127.0.0.1")
parser.add_argument("--port", type=int, default=7890)
parser.add_argument("--root", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../html"))


class Handler(wsgiref.handlers.SimpleHandler):
    server_software = "Tired/0.3"

    def log_exception(self, exc_info):
        print("the client has gone:", exc_info[1])

    def error_output(self, environ, start_response):
        raise OSError("nothing more to say")


def application(environ, start_response):
    plain = [("Content-Type", "text/plain")]
    if environ["REQUEST_METHOD"] != "GET":
        start_response("405 Method Not Allowed", plain + [("Allow", "GET")])
        return [b"I only know GET.\n"]
    try:
        name = environ["tired.path"].decode()
        if name.endswith("/"):
            name += "index.html"
        real = os.path.realpath(environ["tired.root"] + name)
        if name.startswith("/") and os.path.commonpath((real, environ["tired.root"])) == environ["tired.root"]:
            if os.path.isfile(real):
                with open(real, "rb") as file:
                    body = file.read()
                start_response("200 OK", [("Content-Type", "application/octet-stream")])
                return [body]
    except (OSError, ValueError):
        pass
    start_response("404 Not Found", plain)
    return [b"I looked ", b"everywhere.\n"]


def serve(client, root):
    head = b""
    time.sleep(0.3)
    while b"\r\n\r\n" not in head:
        piece = client.recv(16384)
        head += piece
        if not piece or len(head) > 65536:
            return
        gc.collect()
    words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
    if len(words) != 3 or words[2] not in ("HTTP/1.0", "HTTP/1.1") or "" in words:
        client.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\nI am too tired to understand this.\n")
        return
    environ = {
        "REQUEST_METHOD": words[0],
        "SERVER_PROTOCOL": words[2],
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "0",
        "tired.path": unquote_to_bytes(words[1].split("?", 1)[0].encode("latin-1")),
        "tired.root": root,
    }
    with client.makefile("wb", 0) as out:
        writer = io.BufferedWriter(out)
        Handler(io.BytesIO(), writer, sys.stderr, environ).run(application)
        writer.flush()
        writer.detach()


def main():
    args = parser.parse_args()
    root = os.path.realpath(args.root)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((args.host, args.port))
    listener.listen(70)
    print("http://%s:%d/ (be patient)" % listener.getsockname(), flush=True)
    while True:
        client, _ = listener.accept()
        try:
            serve(client, root)
        except OSError as problem:
            print("lost:", problem)
        client.close()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
