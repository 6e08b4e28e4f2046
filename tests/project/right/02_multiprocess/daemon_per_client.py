"""A little daemon for every client, by the old recipe.

Unusual: fork, setsid, fork, chdir to /, umask, the standard streams to /dev/null: the serving process has left family, session and terminal.
A hasty grader: collects the server's processes by session or by parent, and does not find the one that serves.
"""
import argparse
import contextlib
import os
import pathlib
import socket
from urllib.parse import unquote


class Request:
    """The first line of a request, or ValueError."""

    def __init__(self, head):
        first = head.split(b"\r\n")[0].decode("latin-1")
        self.method, self.target, self.version = first.split(" ")
        if self.version not in ("HTTP/1.0", "HTTP/1.1") or not self.method or not self.target:
            raise ValueError(first)

    @property
    def name(self):
        path = self.target.partition("?")[0].encode("latin-1").decode()
        return unquote(path, errors="strict")


class Folder:
    def __init__(self, place):
        self.place = pathlib.Path(place).resolve()

    def read(self, name):
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            if name.startswith("/"):
                file = self.place.joinpath(name[1:] + "index.html" if name.endswith("/") else name[1:]).resolve(strict=True)
                if self.place in file.parents and file.is_file():
                    return file.read_bytes()
        return None


class Conversation:
    def __init__(self, sock, folder):
        self.sock, self.folder = sock, folder

    def hear(self):
        head = bytearray()
        while head.find(b"\r\n\r\n") == -1:
            piece = self.sock.recv(65536)
            head += piece
            if not piece or len(head) > 65536:
                raise ConnectionError("no whole head")
        return bytes(head)

    def say(self, code, body):
        self.sock.sendall(b"HTTP/1.0 %d \r\nContent-length:%d\r\n\r\n" % (code, len(body)))
        self.sock.sendall(body)

    def hold(self):
        try:
            request = Request(self.hear())
        except ValueError:
            return self.say(400, b"What did you say?\n")
        if request.method != "GET":
            return self.say(405, b"I only GET.\n")
        try:
            body = self.folder.read(request.name)
        except ValueError:
            body = None
        return self.say(404, b"I have no such file.\n") if body is None else self.say(200, body)


def become_daemon():
    """As in the Unix books. True in the daemon alone."""
    if os.fork():
        return False
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir("/")
    os.umask(0)
    null = os.open(os.devnull, os.O_RDWR)
    for fd in 0, 1, 2:
        os.dup2(null, fd)
    os.close(null)
    return True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7890)
    parser.add_argument("--root", default=pathlib.Path(__file__).resolve().parents[2] / "html")
    args = parser.parse_args()
    folder = Folder(args.root)
    listener = socket.create_server((args.host, args.port), backlog=128)
    print("http://%s:%d/" % listener.getsockname(), flush=True)
    main_pid = os.getpid()
    while True:
        client, _ = listener.accept()
        try:
            if become_daemon():
                listener.close()
                Conversation(client, folder).hold()
        except OSError:
            pass
        finally:
            if os.getpid() != main_pid:
                os._exit(0)
        client.close()
        os.wait()  # for the one that called setsid


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
