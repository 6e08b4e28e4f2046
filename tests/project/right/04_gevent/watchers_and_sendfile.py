"""Greenlets over plain non-blocking sockets.

Unusual: sockets of the standard library, O_NONBLOCK set by hand; greenlets sleep in wait_read and wait_write; the listener has no greenlet, just a watcher.
A hasty grader: looks for gevent's socket class, or for a greenlet that is asleep in accept.
"""
import argparse
import os
import signal
import socket
import stat
import sys
from urllib.parse import unquote_to_bytes

import gevent
import gevent.event
from gevent.socket import wait_read, wait_write


def hear(sock):
    head = b""
    while b"\r\n\r\n" not in head:
        try:
            piece = sock.recv(2000)
        except BlockingIOError:
            wait_read(sock.fileno())
            continue
        head += piece
        if not piece or len(head) > 65536:
            return None
    return head


def say(sock, data):
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[sock.send(rest) :]
        except BlockingIOError:
            wait_write(sock.fileno())


def pour(sock, fd):
    """The whole file, kernel to kernel."""
    at, size = 0, os.fstat(fd).st_size
    say(sock, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
    while at < size:
        try:
            sent = os.sendfile(sock.fileno(), fd, at, size - at)
            if not sent:  # the file has shrunk
                return
            at += sent
        except BlockingIOError:
            wait_write(sock.fileno())


def find(root, target):
    path = unquote_to_bytes(target.split(b"?")[0])
    if path.endswith(b"/"):
        path += b"index.html"
    if not path.startswith(b"/"):
        return None
    try:
        path.decode()
        fd = os.open(os.fsencode(root) + path, os.O_RDONLY | os.O_NONBLOCK)
    except (OSError, ValueError):
        return None
    if stat.S_ISREG(os.fstat(fd).st_mode) and os.readlink(f"/proc/self/fd/{fd}").startswith(root.rstrip("/") + "/"):
        return fd
    os.close(fd)
    return None


def error(sock, status):
    say(sock, b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s\n" % (status, len(status) + 1, status))


def serve(sock, root):
    with sock:
        try:
            head = hear(sock)
            if head is None:
                return
            words = head.split(b"\r\n")[0].split(b" ")
            if len(words) != 3 or words[2] not in (b"HTTP/1.0", b"HTTP/1.1"):
                error(sock, b"400 Bad Request")
            elif words[0] != b"GET":
                error(sock, b"405 Method Not Allowed")
            elif (fd := find(root, words[1])) is None:
                error(sock, b"404 Not Found")
            else:
                try:
                    pour(sock, fd)
                finally:
                    os.close(fd)
        except OSError:
            pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7890)
    parser.add_argument("--root", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../html"))
    args = parser.parse_args()
    root = os.path.realpath(args.root)
    end = gevent.event.Event()
    for number in signal.SIGINT, signal.SIGTERM:
        gevent.signal_handler(number, end.set)
    listener = socket.create_server((args.host, args.port), backlog=256)
    listener.setblocking(False)

    def ring():
        try:
            sock, _ = listener.accept()
        except OSError:
            return
        sock.setblocking(False)
        gevent.spawn(serve, sock, root)

    watcher = gevent.get_hub().loop.io(listener.fileno(), 1)
    watcher.start(ring)
    print("http://%s:%d/" % listener.getsockname(), flush=True)
    end.wait()
    watcher.stop()
    listener.close()
    sys.exit(0)


if __name__ == "__main__":
    main()
