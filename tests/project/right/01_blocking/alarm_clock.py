"""A server that is woken by an alarm clock.

Unusual: no call ever waits for a socket: it sleeps in sigwait, without a time-out, until SIGALRM comes ten times a second.
A hasty grader: sees a process asleep for good in rt_sigtimedwait, with nothing to wake it, and calls it stuck.
Slow: it is waited for again and again, which takes minutes; the whole corpus is tried with it, the sample is not.
"""
import argparse
import os
import signal
import socket
from urllib.parse import unquote_to_bytes

TICK = 0.1


def until_ready(action, *args):
    """Tries; when there is nothing to do yet, sleeps until the next alarm."""
    while True:
        try:
            return action(*args)
        except BlockingIOError:
            signal.sigwait({signal.SIGALRM})


def read_head(client):
    head = bytearray()
    while (end := head.find(b"\r\n\r\n")) < 0:
        piece = until_ready(client.recv, 4096)
        head += piece
        if not piece or len(head) > 65536:
            return None
    return bytes(head[:end])


def load(root, target):
    raw = unquote_to_bytes(target.partition(b"?")[0])
    if not raw.startswith(b"/"):
        return None
    try:
        name = raw.decode() + ("index.html" if raw.endswith(b"/") else "")
        real = os.path.realpath(root + name)
        if os.path.commonpath([real, root]) != root or not os.path.isfile(real):
            return None
        with open(real, "rb") as file:
            return file.read()
    except (OSError, ValueError):
        return None


def answer(root, head):
    match head.split(b"\r\n")[0].split(b" "):
        case [b"GET", target, b"HTTP/1.1" | b"HTTP/1.0"]:
            body = load(root, target)
            return (b"404 ", b"no such file\n") if body is None else (b"200 ", body)
        case [_, _, b"HTTP/1.1" | b"HTTP/1.0"]:
            return b"501 ", b"I can only GET\n"
        case _:
            return b"400 ", b"that is no HTTP\n"


def serve(client, root):
    head = read_head(client)
    if head is None:
        return
    status, body = answer(root, head)
    rest = memoryview(b"HTTP/1.1 %s\r\ncontent-length:%d\r\nconnection:close\r\n\r\n%s" % (status, len(body), body))
    while rest:
        rest = rest[until_ready(client.send, rest) :]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7890)
    parser.add_argument("--root", default=os.path.join(os.path.dirname(__file__), "../../html"))
    args = parser.parse_args()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    listener = socket.create_server((args.host, args.port), backlog=200)
    listener.setblocking(False)
    signal.setitimer(signal.ITIMER_REAL, TICK, TICK)
    print("http://%s:%d/" % listener.getsockname(), flush=True)
    while True:
        client, _ = until_ready(listener.accept)
        client.setblocking(False)
        with client:
            try:
                serve(client, os.path.realpath(args.root))
            except OSError:
                pass


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
