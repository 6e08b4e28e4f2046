"""Step 2: a process for every client.

The parent only accepts. A child serves one client and ends; while it waits, the others go on.

See step 1 fail: a client that connects and says nothing keeps everybody waiting (in bash):

    $ python solutions/01_blocking/server.py --port 7890 &
    http://127.0.0.1:7890/
    $ exec 3<>/dev/tcp/127.0.0.1/7890
    $ curl -sS -m 3 http://127.0.0.1:7890/
    curl: (28) Operation timed out after 3000 milliseconds with 0 bytes received
"""

import argparse
import io
import mimetypes
import multiprocessing
import os
import re
import signal
import socket
import stat
import time
from contextlib import suppress
from errno import EAGAIN, ECONNABORTED, EHOSTUNREACH, EMFILE, ENETDOWN, ENETUNREACH, ENFILE, ENOBUFS, ENOMEM, EPROTO
from urllib.parse import unquote_to_bytes

HEAD = re.compile(rb"(\S+) (\S+) HTTP/1\.\d(?:\r\n[^\s:]+:[^\r\n]*)*")  # RFC 9112, sections 2 to 5
BLANK_LINE = b"\r\n\r\n"
STOPS = (signal.SIGINT, signal.SIGTERM)
HEAD_LIMIT = 65536  # bytes
SMALL = 16384  # bytes; up to here read() and send() cost less than sendfile()
# What the next try may not meet again, says accept(2): nobody there, a network that failed, no room.
PASSING = {EAGAIN, ECONNABORTED, EPROTO, ENETDOWN, ENETUNREACH, EHOSTUNREACH, EMFILE, ENFILE, ENOBUFS, ENOMEM}


def parse(head):
    """Return the method and the target (bytes) of a request head, or None and None if it is no HTTP.

    A head is bytes, without the blank line that ends it.
    """
    match = HEAD.fullmatch(head)
    return match.groups() if match else (None, None)


def resolve(root, target):
    """Return the path (bytes) that a target (bytes, as it was sent) names, or None if that is no name.

    The root is bytes too, and ends in a slash.
    """
    name = unquote_to_bytes(target.partition(b"?")[0])
    name += b"index.html" if name.endswith(b"/") else b""
    return None if b"\0" in name or b".." in name.split(b"/") else root + name


def load(root, path):
    """Open the regular file at a path, if it lies under the root; return None if there is none to be had.

    Return what is to be sent: bytes, then a file that follows them, and how much of it (0: nothing follows).
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # else a FIFO would wait for its writer
    except OSError as error:
        if error.errno in (EMFILE, ENFILE):  # no descriptor is left: the file may well be there
            raise
        return None
    status, place = os.fstat(fd), os.readlink(b"/proc/self/fd/%d" % fd)  # where every link has led
    if not stat.S_ISREG(status.st_mode) or not place.startswith(root):
        os.close(fd)
        return None
    if status.st_size > SMALL:
        return b"", open(fd, "rb", buffering=0), status.st_size
    data = os.read(fd, status.st_size)
    os.close(fd)
    return data, io.BytesIO(), 0


def respond(root, head):
    """Return the answer to a head: bytes, then a file that follows them, and how much of it."""
    method, target = parse(head)
    path = resolve(root, target) if method == b"GET" else None
    found = load(root, path) if path else None
    status = "200 OK" if found else "404 Not Found"
    if method != b"GET":
        status = "501 Not Implemented" if method else "400 Bad Request"
    data, file, size = found or (f"{status}\n".encode(), io.BytesIO(), 0)
    suffix = path.rpartition(b".")[2].decode("latin-1") if found else "txt"
    kind = mimetypes.types_map.get(f".{suffix}", "application/octet-stream")
    fields = f"Content-Type: {kind}\r\nContent-Length: {len(data) + size}\r\nConnection: "
    return f"HTTP/1.1 {status}\r\n{fields}close\r\n\r\n".encode() + data, file, size


def read_head(connection):
    """Return a request head without its blank line; or b"" if the client ends before, or overdoes it."""
    inbox = b""
    while BLANK_LINE not in inbox:  # TCP carries a stream of bytes: a head may come in any number of pieces
        data = connection.recv(65536) if len(inbox) <= HEAD_LIMIT else b""
        if not data:
            return b""
        inbox += data
    return inbox.partition(BLANK_LINE)[0]


def serve_client(connection, root):
    """Answer one request, then close the connection."""
    with connection, suppress(OSError):  # a client may vanish at any moment
        if head := read_head(connection):
            data, file, size = respond(root, head)
            with file:
                connection.sendall(data)
                if size:
                    connection.sendfile(file, count=size)


def accept(listener):
    """Wait for the next client; return the connection to it."""
    while True:
        try:
            return listener.accept()[0]
        except OSError as error:
            if error.errno not in PASSING:
                raise
            time.sleep(0.1)  # by then a client may have left, and given its descriptor back


def serve_child(listener, connection, root):
    """Serve one client, in a process of its own."""
    for number in STOPS:  # the parent's handler is not for its children
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    listener.close()  # or the port would be taken as long as a child lives
    serve_client(connection, root)


def reap(*_):
    """Wait for the children that have ended, zombies until then; one SIGCHLD may stand for several."""
    # TODO 3: reap all that have ended, and wait for no other.
    raise NotImplementedError("TODO 3: reap all that have ended, and wait for no other.")


def stop(number, _):
    """End the children, and then as the signal would have: an exception may come where Python swallows it."""
    for child in multiprocessing.active_children():
        child.terminate()
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


def serve_forever(listener, root):
    """Give every client a process of its own."""
    # A forked child simply has the sockets. Python 3.14 does not fork unless asked to, because a fork
    # copies the locks that other threads hold; here there are no other threads.
    fork = multiprocessing.get_context("fork")
    signal.signal(signal.SIGCHLD, reap)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    while True:
        connection = accept(listener)
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)  # a child that is not on the list yet would outlive a stop
        # TODO 1: start a child that serves the client; go on if there can be none.
        raise NotImplementedError("TODO 1: start a child that serves the client; go on if there can be none.")
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
        # TODO 2: see to it that the stream can end when the child is done.
        raise NotImplementedError("TODO 2: see to it that the stream can end when the child is done.")


def main():
    """Read the arguments, listen, and serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", default=7890, type=int)
    parser.add_argument("--root", default=os.path.join(os.path.dirname(__file__), "../../html"))
    args = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends the server at once, as SIGTERM does
    # create_server() sets SO_REUSEADDR: one may listen again while old connections are in TIME_WAIT.
    with socket.create_server((args.host, args.port), backlog=socket.SOMAXCONN) as listener:
        print("http://{}:{}/".format(*listener.getsockname()), flush=True)
        serve_forever(listener, os.path.join(os.path.realpath(os.fsencode(args.root)), b""))


if __name__ == "__main__":
    main()
