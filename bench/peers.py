"""`python peers.py NAME PORT ROOT MODE`: servers that others have written, with the files of ROOT.

`python peers.py versions` writes as JSON which of them there are for this Python: name -> version.

Each is as it comes, but for three things that would hide what is measured. Some listen with a backlog of 5, and
a client that finds it full comes again after a second. Some send head and body apart and leave Nagle's algorithm
on, and a client that delays its ACKs (tcp(7), TCP_NODELAY) then gets its body after 40 ms. And every child of
ForkingMixIn would read /etc/mime.types anew, which costs more than all the rest.
"""

import io
import json
import mimetypes
import os
import platform
import socket
import sys
from importlib import metadata
from typing import TYPE_CHECKING, Any
from wsgiref.util import FileWrapper

if TYPE_CHECKING:
    from collections.abc import Iterable
    from http.server import SimpleHTTPRequestHandler

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

BACKLOG = 1024
PIECE = 1 << 16  # bytes: what is no larger is read in one go
ROOT = "BENCH_ROOT"
root = os.environ.get(ROOT, "")


def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
    """WSGI, PEP 3333: the file that the path names. `root` is the folder."""
    file = io.FileIO(root + environ["PATH_INFO"])
    size = os.fstat(file.fileno()).st_size
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(size))])
    if size > PIECE and (wrapper := environ.get("wsgi.file_wrapper")):
        pieces: Iterable[bytes] = wrapper(file, PIECE)
        return pieces
    with file:
        return [file.read()]


def granian(port: int, long: bool) -> None:
    from granian import Granian

    os.environ[ROOT] = root  # its worker imports this file, and calls `application`
    options = {"runtime_threads": 1, "blocking_threads": 1, "backlog": BACKLOG, "log_enabled": False}
    Granian("peers:application", port=port, interface="wsgi", workers=1, **options).serve()


def waitress(port: int, long: bool) -> None:
    import waitress

    waitress.serve(application, host="127.0.0.1", port=port)


def cheroot(port: int, long: bool) -> None:
    from cheroot import wsgi

    def in_pieces(environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        """What it cannot send at once it copies, again and again."""
        return application({**environ, "wsgi.file_wrapper": FileWrapper}, start_response)

    wsgi.Server(("127.0.0.1", port), in_pieces, request_queue_size=BACKLOG).safe_start()


def gevent(port: int, long: bool) -> None:
    from gevent import pywsgi

    def closing(environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        """It closes without saying so, which wrk takes for an error."""
        close = ("Connection", "close")
        return application(environ, lambda status, lines, error=None: start_response(status, [*lines, close], error))

    server = pywsgi.WSGIServer(("127.0.0.1", port), application if long else closing, backlog=BACKLOG, log=None)
    server.init_socket()
    server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # the accepted ones have it from there
    server.serve_forever()


def handler(long: bool) -> "type[SimpleHTTPRequestHandler]":
    import http.server

    class Handler(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1" if long else "HTTP/1.0"
        disable_nagle_algorithm = True

        def __init__(self, *arguments: Any):
            super().__init__(*arguments, directory=root)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def http_server(port: int, long: bool) -> None:
    import http.server

    class Server(http.server.ThreadingHTTPServer):
        request_queue_size = BACKLOG

    Server(("127.0.0.1", port), handler(long)).serve_forever()


def forking(port: int, long: bool) -> None:
    import http.server
    import socketserver

    class Server(socketserver.ForkingMixIn, http.server.HTTPServer):
        request_queue_size = BACKLOG

    mimetypes.init()
    Server(("127.0.0.1", port), handler(long)).serve_forever()


SERVERS = {
    "granian": granian,
    "waitress": waitress,
    "cheroot": cheroot,
    "gevent.pywsgi": gevent,
    "http.server": http_server,
    "ForkingMixIn": forking,
}


def versions() -> dict[str, str]:
    found = {"python": f"{platform.python_implementation()} {platform.python_version()}"}
    for name in ("granian", "waitress", "cheroot", "gevent"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            pass
    return found


if __name__ == "__main__":
    if sys.argv[1] == "versions":
        print(json.dumps(versions()))
    else:
        name, port, root, mode = sys.argv[1:]
        SERVERS[name](int(port), mode == "long")
