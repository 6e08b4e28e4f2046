"""A server that cannot keep quiet.

Unusual: some forty lines on stdout and stderr for each client, in four scripts and in bytes that are no UTF-8; and 301 for a folder.
A hasty grader: never empties the pipe, decodes the output strictly, or greps the whole log for "Traceback".
"""
import argparse
import os
import re
import socket
import sys
import urllib.parse

PROVERBS = ["道可道 非常道", "тише едешь, дальше будешь", "ὁ βίος βραχύς", "Wer schön sein will, muss leiden", "\x1b[31mred\x1b[0m"]
LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S+) HTTP/1\.[01]\r\n")


def chat(*words):
    for stream, proverb in zip((sys.stdout, sys.stderr) * 20, PROVERBS * 8):
        try:
            stream.buffer.write(proverb.encode() + b" \xff\xfe " + repr(words).encode("utf-8", "replace") + b"\n")
            stream.flush()
        except OSError:
            pass


class Site:
    def __init__(self, root):
        self.root = os.path.realpath(root)

    def locate(self, target):
        """The real path that a target means, or None when it is not in the site."""
        name = urllib.parse.unquote_to_bytes(target.split(b"?", 1)[0]).decode()
        if name[:1] != "/" or "\0" in name:
            return None
        place = os.path.realpath(os.path.join(self.root, *name.split("/")))
        if name.endswith("/"):
            place = os.path.realpath(place + "/index.html") if os.path.isdir(place) else None
        if place is None or os.path.commonprefix([place + "/", self.root + "/"]) != self.root + "/":
            return None
        return place

    def answer(self, head):
        line = LINE.match(head)
        if not line:
            return b"400 Bad Request", [], b"I speak HTTP, and four other tongues.\n"
        if line[1] != b"GET":
            return b"405 Method Not Allowed", [b"Allow: GET"], b"GET, nothing else.\n"
        try:
            place = self.locate(line[2])
            if place and os.path.isdir(place) and not line[2].split(b"?")[0].endswith(b"/"):
                return b"301 Moved Permanently", [b"Location: /" + line[2].split(b"?")[0].lstrip(b"/") + b"/"], b"It is a folder.\n"
            if place and os.path.isfile(place):
                with open(place, "rb") as file:
                    return b"200 OK", [], file.read()
        except (OSError, ValueError) as problem:
            chat("Traceback (most recent call last)? No:", problem)
        return b"404 Not Found", [], b"<h1>404</h1>\n"


def serve(client, site):
    head = bytearray()
    while True:
        piece = client.recv(1000)
        head += piece
        if b"\r\n\r\n" in head:
            break
        if not piece or len(head) > 65536:
            return
    status, headers, body = site.answer(bytes(head))
    headers += [b"Content-Length: %d" % len(body), b"Connection: close"]
    client.sendall(b"\r\n".join([b"HTTP/1.1 " + status, *headers, b"", body]))
    chat("served", status, len(body))


parser = argparse.ArgumentParser()
parser.add_argument("--host", default="127.0.0.1")
parser.add_argument("--port", type=int, default=7890)
parser.add_argument("--root", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "html"))
args = parser.parse_args()
try:
    listener = socket.create_server((args.host, args.port), backlog=511)
    chat("http://%s:%d/" % listener.getsockname())
    while True:
        client, address = listener.accept()
        with client:
            chat("new client", address)
            try:
                serve(client, Site(args.root))
            except OSError as problem:
                chat("lost", problem)
except KeyboardInterrupt:
    chat("good-bye")
