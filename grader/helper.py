"""A program of its own, started as servers are: it takes what a server needs, and shows what verdicts rest on.

    python helper.py HOST PORT PROCESSES THREADS DESCRIPTORS

It makes so many processes and threads, and opens so many descriptors; prints a line of JSON that says how many it had,
and why no more; and sleeps in a call that the grader knows, with a listener that takes no connection and an epoll that
watches it. It imports nothing of ours, so that it starts at once.
"""

import json
import os
import select
import socket
import struct
import sys
from _thread import allocate_lock, start_new_thread
from collections.abc import Callable

NAP = 98765.5  # seconds: the time-out of the call in which it sleeps
RECEIVE_TIMEOUT = 4321  # seconds: SO_RCVTIMEO of the listener
BACKLOG = 4096


def taken(most: int, take: Callable[[], object]) -> tuple[int, str]:
    """How often it went well, up to so many times, and why no more."""
    for count in range(most):
        try:
            take()
        except (OSError, RuntimeError, MemoryError) as error:
            return count, getattr(error, "strerror", None) or str(error) or type(error).__name__
    return most, ""


def main() -> None:
    host, port, *numbers = sys.argv[1:]
    processes, threads, descriptors = map(int, numbers)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", RECEIVE_TIMEOUT, 0))
    listener.bind((host, int(port)))
    listener.listen(BACKLOG)
    epoll = select.epoll()
    epoll.register(listener, select.EPOLLIN)
    never, alive = os.pipe()
    ever = allocate_lock()
    ever.acquire()

    def child() -> None:
        if os.fork() == 0:
            os.close(alive)
            os.read(never, 1)  # until the grader, or this program, ends
            os._exit(0)

    def thread() -> None:
        bytearray(10_000)  # its own memory, malloc(3)
        ever.acquire()

    opened: list[int] = []
    had = {
        "processes": taken(processes, child),
        "threads": taken(threads, lambda: start_new_thread(thread, ())),
        "descriptors": taken(descriptors, lambda: opened.append(os.dup(never))),
    }
    for number in opened:
        os.close(number)
    print(json.dumps({"had": had, "epoll": epoll.fileno(), "listener": listener.fileno()}), flush=True)
    while True:
        select.select([never], [], [], NAP)


if __name__ == "__main__":
    main()
