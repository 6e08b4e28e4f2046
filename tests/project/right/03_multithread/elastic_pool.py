"""A pool that grows at once and shrinks by and by.

Unusual: threads wait two seconds for another client before they end; the files go out in chunks whose sizes are drawn by lot.
A hasty grader: looks once, right after the last client, whether the threads have gone.
"""
import argparse
import os
import queue
import random
import socket
import threading
from urllib.parse import unquote_to_bytes

PATIENCE = 2


class Pool:
    """As many threads as clients. `idle` counts those who wait for work that nobody has promised them."""

    def __init__(self, work):
        self.work, self.jobs, self.idle = work, queue.SimpleQueue(), threading.Semaphore(0)

    def submit(self, job):
        self.jobs.put(job)
        if not self.idle.acquire(blocking=False):
            threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                job = self.jobs.get(timeout=PATIENCE)
            except queue.Empty:
                if self.idle.acquire(blocking=False):
                    return
                continue  # promised: the job is on its way
            self.work(job)
            del job
            self.idle.release()


def read(client):
    head = b""
    for _ in range(65537):
        piece = client.recv(random.randint(1, 999))
        head += piece
        if b"\r\n\r\n" in head:
            return head
        if not piece or len(head) > 65536:
            break
    return None


def find(root, target):
    name = unquote_to_bytes(target.split(b"?", 1)[0])
    try:
        real = os.path.realpath(root + name.decode() + ("index.html" if name[-1:] == b"/" else ""))
        if name[:1] == b"/" and os.path.commonpath([real, root]) == root and os.path.isfile(real):
            return open(real, "rb")
    except (OSError, ValueError):
        pass
    return None


def send(client, old, status, blocks):
    """Chunks for HTTP/1.1; for HTTP/1.0 the end of the stream must do."""
    coding = b"" if old else b"Transfer-Encoding: Chunked\r\n"
    client.sendall(b"HTTP/1.1 %s\r\n%s\r\n" % (status, coding))
    for block in blocks:
        client.sendall(block if old else b"%X\r\n%s\r\n" % (len(block), block))
    if not old:
        client.sendall(b"0\r\n\r\n")


def serve(client, root):
    head = read(client)
    if head is None:
        return
    words = head.split(b"\r\n")[0].split(b" ")
    if len(words) != 3 or words[2] not in (b"HTTP/1.0", b"HTTP/1.1"):
        return send(client, True, b"400 Bad Request", [b"Bad ", b"request.\n"])
    old = words[2] == b"HTTP/1.0"
    if words[0] != b"GET":
        return send(client, old, b"405 Method Not Allowed", [b"Method ", b"not allowed.\n"])
    file = find(root, words[1])
    if file is None:
        return send(client, old, b"404 Not Found", [b"Not ", b"found.\n"])
    with file:
        send(client, old, b"200 OK", iter(lambda: file.read(random.randint(1000, 1_000_000)), b""))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7890)
    parser.add_argument("--root", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../html"))
    args = parser.parse_args()
    root = os.path.realpath(args.root)

    def work(client):
        with client:
            try:
                serve(client, root)
            except OSError:
                pass

    pool = Pool(work)
    with socket.create_server((args.host, args.port), backlog=128) as listener:
        print("http://%s:%d/" % listener.getsockname(), flush=True)
        while True:
            pool.submit(listener.accept()[0])


try:
    main()
except KeyboardInterrupt:
    pass
