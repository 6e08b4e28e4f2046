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
import ctypes
import mimetypes
import multiprocessing
import os
import re
import signal
import socket
import time
from contextlib import nullcontext, suppress
from pathlib import Path
from urllib.parse import unquote_to_bytes

HEAD = re.compile(rb"(\S+) (\S+) HTTP/1\.\d(?:\r\n[^\s:]+:[^\r\n]*)*")  # RFC 9112, sections 2 to 5
BLANK_LINE = b"\r\n\r\n"
HEAD_LIMIT = 65536  # bytes
LIBC, PR_SET_PDEATHSIG = ctypes.CDLL(None), 1  # prctl(2), which Python does not offer


def parse(head):
    """Return the method and the target of a request head, or None and None if it is no HTTP."""
    match = HEAD.fullmatch(head)
    return match.groups() if match else (None, None)


def resolve(root, target):
    """Return the path of the regular file under the root that a target names, or None."""
    try:
        name = unquote_to_bytes(target.partition(b"?")[0]).decode()
        if name.endswith("/"):
            name += "index.html"
        # The dot keeps "/name" from being absolute; realpath() follows every ".." and symbolic link.
        path = Path(os.path.realpath(root / f".{name}", strict=True))
        # A regular file, since to open a FIFO is to wait for its writer.
        servable = path.is_relative_to(root) and path.is_file() and os.access(path, os.R_OK)
    except (OSError, ValueError):  # there is no such file; or it is no name: a NUL byte, no UTF-8
        return None
    return path if servable else None


def respond(root, head):
    """Return the bytes that begin the answer, then the open file that follows them (or None) and its size."""
    method, target = parse(head)
    path = resolve(root, target) if method == b"GET" else None
    if method is None:
        status = "400 Bad Request"
    elif method != b"GET":
        status = "501 Not Implemented"
    else:
        status = "200 OK" if path else "404 Not Found"
    text = "" if path else f"{status}\n"
    file = open(path, "rb") if path else None
    size = os.fstat(file.fileno()).st_size if file else 0
    kind = mimetypes.types_map.get(path.suffix, "application/octet-stream") if path else "text/plain"
    lines = (
        f"HTTP/1.1 {status}",
        f"Content-Type: {kind}",
        f"Content-Length: {size + len(text)}",
        "Connection: close",
    )
    return "\r\n".join([*lines, "", text]).encode(), file, size


def read_head(connection):
    """Read a request head up to its blank line; return b"" if the client ends or overdoes it before."""
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
            with file or nullcontext():
                connection.sendall(data)
                if size:
                    connection.sendfile(file, count=size)


def accept(listener):
    """Wait for the next client; return the connection to it."""
    while True:
        try:
            return listener.accept()[0]
        except OSError:  # that client has left, or there is no descriptor for it until another leaves
            time.sleep(0.1)


def serve_child(listener, connection, root):
    """Serve one client, in a process of its own."""
    # TODO 3: let go of what a child has no use for.
    raise NotImplementedError("TODO 3: let go of what a child has no use for.")
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # a child ends with its parent, whatever ends that
    if os.getppid() == multiprocessing.parent_process().pid:  # and that has not happened yet
        serve_client(connection, root)


def bury(*_):
    """Wait for the children that have ended, zombies until then; one SIGCHLD may stand for several."""
    # TODO 4: collect all that have ended, and wait for no other.
    raise NotImplementedError("TODO 4: collect all that have ended, and wait for no other.")


def serve_forever(listener, root):
    """Give every client a process of its own."""
    # A forked child simply has the sockets. Python 3.14 does not fork unless asked to, because a fork
    # copies the locks that other threads hold; here there are no other threads.
    fork = multiprocessing.get_context("fork")
    signal.signal(signal.SIGCHLD, bury)
    while True:
        connection = accept(listener)
        # TODO 1: start a child that serves the client; go on if there can be none.
        raise NotImplementedError("TODO 1: start a child that serves the client; go on if there can be none.")
        # TODO 2: see to it that the stream can end when the child is done.
        raise NotImplementedError("TODO 2: see to it that the stream can end when the child is done.")


def main():
    """Read the arguments, listen, and serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", default=7890, type=int)
    parser.add_argument("--root", default=Path(__file__).resolve().parents[2] / "html", type=Path)
    args = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends the server at once, as SIGTERM does
    # create_server() sets SO_REUSEADDR: one may listen again while old connections are in TIME_WAIT.
    with socket.create_server((args.host, args.port), backlog=socket.SOMAXCONN) as listener:
        print("http://{}:{}/".format(*listener.getsockname()), flush=True)
        serve_forever(listener, args.root.resolve())


if __name__ == "__main__":
    main()
