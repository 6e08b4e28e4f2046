"""ThreadPoolExecutor(64).

Unusual: the threads stay when their clients have gone, and the next client gets whichever is free; heads go out in little pieces.
A hasty grader: wants the number of threads to fall back to one, or reads an answer with a single recv.
"""
import argparse
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes


@dataclass
class Answer:
    code: int
    phrase: str
    body: bytes

    def head(self):
        yield f"HTTP/1.1 {self.code} {self.phrase}\r\n"
        yield "Content-"
        yield f"Length: {len(self.body)}\r"
        yield "\n\r\n"


def plain(code, phrase):
    return Answer(code, phrase, f"{code}: {phrase}.\n".encode())


class Head:
    """Collects bytes until there is a whole head."""

    LIMIT = 65536

    def __init__(self):
        self.bytes = b""

    def feed(self, piece):
        self.bytes += piece
        if len(self.bytes) > self.LIMIT:
            raise ConnectionAbortedError("a head without end")

    @property
    def whole(self):
        return b"\r\n\r\n" in self.bytes

    @property
    def words(self):
        return self.bytes[: self.bytes.index(b"\r\n")].split(b" ")


def answer(words, root):
    if len(words) != 3 or words[2] not in (b"HTTP/1.1", b"HTTP/1.0"):
        return plain(400, "bad request")
    method, target, _ = words
    if method != b"GET":
        return plain(501, "not implemented")
    name = unquote_to_bytes(target.split(b"?")[0])
    if name.endswith(b"/"):
        name += b"index.html"
    try:
        file = os.path.realpath(os.path.join(root, "." + name.decode()))
        inside = name.startswith(b"/") and os.path.commonpath([root, file]) == root
        if inside and os.path.isfile(file):
            with open(file, "rb") as stream:
                return Answer(200, "ok", stream.read())
    except (OSError, ValueError):
        pass
    return plain(404, "not found")


def serve(client, root):
    with client:
        try:
            head = Head()
            while not head.whole:
                piece = client.recv(2048)
                if not piece:
                    return
                head.feed(piece)
            reply = answer(head.words, root)
            for piece in reply.head():
                client.sendall(piece.encode())
            client.sendall(reply.body)
        except OSError:
            pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7890)
    parser.add_argument("--root", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../html"))
    args = parser.parse_args()
    root = os.path.realpath(args.root)
    with ThreadPoolExecutor(64) as pool, socket.create_server((args.host, args.port), backlog=128) as listener:
        print("http://%s:%d/" % listener.getsockname(), flush=True)
        while True:
            pool.submit(serve, listener.accept()[0], root)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("done")
