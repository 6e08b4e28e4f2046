"""Fork before accept.

Unusual: a child waits in accept; when a client has come it tells main through a pipe, which forks the next. Main never has a client at all.
A hasty grader: wants main in accept, or exactly one process when no client is there, or sends SIGTERM and forgets the child that waits.
"""
import os
import signal
import socket
import sys
from urllib.parse import unquote

HERE = os.path.dirname(os.path.abspath(__file__))
ENDINGS = {signal.SIGINT, signal.SIGTERM}
waiting = 0  # the child in accept


def take_options(argv):
    values = {"--host": "127.0.0.1", "--port": "7890", "--root": os.path.join(HERE, "..", "..", "html")}
    i = 0
    while i < len(argv):
        name, equals, value = argv[i].partition("=")
        if not equals:
            i += 1
            value = argv[i]
        if name not in values:
            sys.exit(f"usage: {sys.argv[0]} [--host HOST] [--port PORT] [--root DIR]")
        values[name] = value
        i += 1
    return values["--host"], int(values["--port"]), os.path.realpath(values["--root"])


def answer(client, status, body):
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Date: today", "Connection: close", "", ""]
    client.sendall("\r\n".join(head).encode())
    if body:
        client.sendall(body)


def serve(client, root):
    received = b""
    while received.find(b"\r\n\r\n") == -1:
        more = client.recv(1 << 14)
        received = received + more
        if len(more) == 0 or len(received) > 1 << 16:
            return
    try:
        method, target, version = received[: received.find(b"\r\n")].decode("latin-1").split(" ")
        if version not in ["HTTP/1.1", "HTTP/1.0"]:
            raise ValueError
    except ValueError:
        return answer(client, "400 Bad Request", b"400\n")
    if method != "GET":
        return answer(client, "405 Method Not Allowed", b"405\n")
    path = target.split("?")[0].encode("latin-1")
    try:
        path = unquote(path.decode(), errors="strict")
        if path.endswith("/"):
            path = path + "index.html"
        full = os.path.realpath(root + path)
        assert path.startswith("/") and full.startswith(root + "/") and os.path.isfile(full)
        with open(full, "rb") as f:
            body = f.read()
    except (AssertionError, OSError, ValueError):
        return answer(client, "404 Not Found", b"404, not found\n")
    return answer(client, "200 OK", body)


def child(listener, taken, root):
    for number in ENDINGS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDINGS)
    while True:
        try:
            client, _ = listener.accept()
            break
        except OSError:
            continue
    listener.close()
    os.write(taken, b"!")
    os.close(taken)
    try:
        serve(client, root)
    except OSError:
        pass


def leave(*_):
    if waiting:
        os.kill(waiting, signal.SIGKILL)
        os.waitpid(waiting, 0)
    os._exit(0)


def main():
    global waiting
    host, port, root = take_options(sys.argv[1:])
    for number in ENDINGS:
        signal.signal(number, leave)
    listener = socket.create_server((host, port), backlog=128)
    print("http://%s:%d/" % listener.getsockname(), flush=True)
    news, taken = os.pipe()
    while True:
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)
        waiting = os.fork()
        if waiting == 0:
            try:
                os.close(news)
                child(listener, taken, root)
            finally:
                os._exit(0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDINGS)
        os.read(news, 1)
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)
        while (dead := os.waitpid(-1, os.WNOHANG)[0]) != 0:
            if dead == waiting:
                waiting = 0
                break


main()
