"""`python floor.py PORT SIZE MODE`: an epoll loop that answers every request with the same SIZE bytes.

It parses nothing and opens nothing: what it costs is what CPython and the kernel cost. A server in pure
Python that also does its work costs more.
"""

import random
import select
import socket
import sys


def serve(port: int, size: int, long: bool) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\nConnection: {'keep-alive' if long else 'close'}\r\n\r\n"
    answer = memoryview(head.encode() + constant(size))
    listener = socket.create_server(("127.0.0.1", port), backlog=socket.SOMAXCONN)
    listener.setblocking(False)
    epoll = select.epoll()
    epoll.register(listener, select.EPOLLIN)
    clients: dict[int, tuple[socket.socket, int]] = {}  # the socket, and how much of an answer is sent
    while True:
        for fd, event in epoll.poll():
            try:
                if fd == listener.fileno():
                    client = listener.accept()[0]
                    client.setblocking(False)
                    clients[client.fileno()] = client, 0
                    epoll.register(client, select.EPOLLIN)
                    continue
                client, sent = clients[fd]
                over = event & select.EPOLLIN and not client.recv(65536)
                if not over:
                    sent += client.send(answer[sent:])
                    over = sent == len(answer) and not long
                    if sent == len(answer):
                        sent = 0
                    if bool(sent) != bool(clients[fd][1]):
                        epoll.modify(fd, select.EPOLLOUT if sent else select.EPOLLIN)
                    clients[fd] = client, sent
            except BlockingIOError:
                continue
            except OSError:
                over = True
            if over:
                clients.pop(fd)[0].close()


def constant(size: int) -> bytes:
    """The bytes of a file that is served: fixed, and no two stretches of them alike."""
    return random.Random(size).randbytes(size)


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "long")
