"""Step 1: one process, one thread, one client at a time.

Every call that has to wait blocks: accept() until a client comes, recv() until it speaks, send()
until there is room. Meanwhile the other clients wait in the backlog, where the kernel keeps them.

See that nobody answers before there is a server (in bash, at the top of the repository):

    $ curl -sS -m 3 http://127.0.0.1:7890/
    curl: (7) Failed to connect to 127.0.0.1 port 7890 after 0 ms: Couldn't connect to server
    $ python solutions/01_blocking/server.py --port 7890 &
    http://127.0.0.1:7890/
    $ curl -sS -m 3 -o /dev/null -w '%{http_code}\\n' http://127.0.0.1:7890/
    200
"""

import argparse
import io
import mimetypes
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
HEAD_LIMIT = 65536  # bytes
SMALL = 16384  # bytes; up to here read() and send() cost less than sendfile()
# What the next try may not meet again, says accept(2): nobody there, a network that failed, no room.
PASSING = {EAGAIN, ECONNABORTED, EPROTO, ENETDOWN, ENETUNREACH, EHOSTUNREACH, EMFILE, ENFILE, ENOBUFS, ENOMEM}


def parse(head):
    """Return the method and the target (bytes) of a request head, or None and None if it is no HTTP.

    A head is bytes, without the blank line that ends it.
    """
    # TODO 4: take the request line apart, if the head has the form of one.
    raise NotImplementedError("TODO 4: take the request line apart, if the head has the form of one.")


def resolve(root, target):
    """Return the path (bytes) that a target (bytes, as it was sent) names, or None if that is no name.

    The root is bytes too, and ends in a slash.
    """
    # TODO 5: drop the query, decode, mind the folders; what climbs or has a NUL is no name.
    raise NotImplementedError("TODO 5: drop the query, decode, mind the folders; what climbs or has a NUL is no name.")


def load(root, path):
    """Open the regular file at a path, if it lies under the root; return None if there is none to be had.

    Return what is to be sent: bytes, then a file that follows them, and how much of it (0: nothing follows).
    """
    # TODO 6: open what is there, then ask the kernel what that is, and where.
    raise NotImplementedError("TODO 6: open what is there, then ask the kernel what that is, and where.")


def respond(root, head):
    """Return the answer to a head: bytes, then a file that follows them, and how much of it."""
    # TODO 3: choose the status, find what to send, write the head of the answer.
    raise NotImplementedError("TODO 3: choose the status, find what to send, write the head of the answer.")


def read_head(connection):
    """Return a request head without its blank line; or b"" if the client ends before, or overdoes it."""
    # TODO 2: receive until the head is whole.
    raise NotImplementedError("TODO 2: receive until the head is whole.")


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


def serve_forever(listener, root):
    """Serve one client after the other."""
    while True:
        # TODO 1: serve the next client.
        raise NotImplementedError("TODO 1: serve the next client.")


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
