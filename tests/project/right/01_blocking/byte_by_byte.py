"""A server that reads and speaks one byte at a time.

Unusual: recv(1) through a generator; the head of the answer goes out byte by byte; the body is chunked, with extensions and a trailer.
A hasty grader: expects an answer in one recv, or looks for Content-Length, or cuts chunks itself and stumbles over extensions.
"""
import argparse
import os
import pathlib
import socket


def octets(sock):
    """Every byte of the head, one system call each; ends at the blank line, the end of the stream, or 64 KiB."""
    last = b""
    for _ in range(65537):
        byte = sock.recv(1)
        if not byte:
            return
        yield byte
        last = (last + byte)[-4:]
        if last == b"\r\n\r\n":
            yield None
            return


def lines(stream):
    line = b""
    for byte in stream:
        if byte is None:
            yield None
            return
        line += byte
        if line.endswith(b"\r\n"):
            yield line[:-2]
            line = b""


def unescape(path):
    """A little machine: plain -> first digit -> second digit -> plain."""
    digits = b""
    waiting = 0
    for number in path:
        if waiting:
            digits += bytes([number])
            waiting -= 1
            if not waiting:
                yield int(digits.decode("ascii"), 16)
        elif number == ord("%"):
            digits, waiting = b"", 2
        else:
            yield number
    if waiting:
        raise ValueError("escape cut short")


def page(root, path):
    try:
        name = bytes(unescape(path)).decode()
        if not name.startswith("/"):
            return None
        file = pathlib.Path(os.path.realpath(f"{root}/{name}" + ("index.html" if name.endswith("/") else "")))
        return file.read_bytes() if file.is_relative_to(root) and file.is_file() else None
    except (OSError, ValueError):
        return None


def slowly(sock, text):
    for number in text.encode():
        sock.send(bytes([number]))


def serve(sock, root):
    head = list(lines(octets(sock)))
    if not head or head[-1] is not None:
        return
    method, _, rest = head[0].partition(b" ")
    target, _, version = rest.partition(b" ")
    if version not in (b"HTTP/1.1", b"HTTP/1.0"):
        slowly(sock, "HTTP/1.1 400 What?\r\nContent-Length: 6\r\n\r\nWhat?\n")
        return
    if method != b"GET":
        slowly(sock, "HTTP/1.1 501 Not Implemented\r\nContent-Length: 9\r\n\r\nGET only\n")
        return
    body = page(root, target.split(b"?")[0])
    status = "404 Not Found" if body is None else "200 OK"
    if body is None:
        body = b"Sorry. No such page.\n"
    if version == b"HTTP/1.0":  # which knows no chunks
        slowly(sock, f"HTTP/1.0 {status}\r\n\r\n")
        sock.sendall(body)
        return
    slowly(sock, f"HTTP/1.1 {status}\r\ntransfer-encoding: chunked\r\nTrailer: X-Sum\r\n\r\n")
    step = max(len(body) // 9, 1)
    for start in range(0, len(body), step):
        chunk = body[start : start + step]
        sock.sendall(b'%04X;note="a;b"\r\n%s\r\n' % (len(chunk), chunk))
    slowly(sock, f"0\r\nX-Sum: {sum(body[:100])}\r\n\r\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7890)
    parser.add_argument("--root", default=pathlib.Path(__file__).resolve().parents[2] / "html")
    args = parser.parse_args()
    root = os.path.realpath(args.root)
    with socket.create_server((args.host, args.port), backlog=128) as listener:
        print("http://%s:%d/" % listener.getsockname(), flush=True)
        while True:
            sock, _ = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                serve(sock, root)
            except OSError:
                pass
            sock.close()


try:
    main()
except KeyboardInterrupt:
    pass
