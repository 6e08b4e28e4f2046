"""Says good-bye slowly: shutdown, then listens until the client has gone; tells all to stderr.

Unusual: after the answer the socket lives on, half shut, for 5 s at most; non-ASCII chatter.
A hasty grader: looks for the closed descriptor before it has closed its own end, or for silence.
"""

import argparse
import os
import signal
import socket
import sys
import time
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes


def options():
    """The command line."""
    html = (up / "html" for up in Path(__file__).resolve().parents if (up / "html").is_dir())
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7890)
    parser.add_argument("--root", default=next(html, "html"))
    return parser.parse_args()


TOKEN = set("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


def parse(head):
    """The method, the target, the version and a dict of fields; None for what is no HTTP."""
    words, *lines = head.decode("latin-1").split("\r\n")
    words, fields, name = words.split(" "), {}, None
    if len(words) != 3 or words[2] not in ("HTTP/1.0", "HTTP/1.1") or not words[0]:
        return None
    for line in lines:
        if name and line[0] in " \t":  # a folded line belongs to the one before
            fields[name] += " " + line.strip(" \t")
            continue
        name, colon, value = line.partition(":")
        if not (name and colon and set(name) <= TOKEN):
            return None
        name = name.lower()
        fields[name] = (fields[name] + "," if name in fields else "") + value.strip(" \t")
    return (*words, fields) if set(words[0]) <= TOKEN else None


def look_up(target):
    """An open file, the address of a folder asked for without its slash, or None."""
    try:
        path = unquote_to_bytes(target.split("?")[0].encode("latin-1")).decode("utf-8")
        real = os.path.realpath(ROOT + "/" + path + ("index.html" if path[-1:] == "/" else ""))
        if path[:1] != "/" or os.path.commonpath([ROOT, real]) != ROOT:
            return None
        if os.path.isdir(real) and path[-1] != "/":
            return quote("/" + path.strip("/") + "/")
        if os.path.isfile(real):
            return open(real, "rb")
    except (OSError, ValueError):
        pass
    return None


def say(*words):
    print("…", *words, "…", "¡olé! 再见" * 9, file=sys.stderr, flush=True)


def answer(head):
    """The whole answer to a head, as bytes."""
    more, request = "", parse(head)
    if len(head) + 4 > 8192:
        status, body = 431, b"So many words!\n"
    elif request is None:
        status, body = 400, b"Pardon?\n"
    elif request[0] != "GET":
        status, body = 405, b"Only GET.\n"
        more = "Allow: GET\r\n"
    else:
        found = look_up(request[1])
        status, body = 404, "Nothing here. Rien. 没有。\n".encode()
        if isinstance(found, str):
            status, more, body = 301, f"Location: {found}\r\n", b"One slash further on.\n"
        elif found:
            with found:
                status, body = 200, found.read()
    say(request, status)
    return f"HTTP/1.1 {status}  \r\n{more}content-length:{len(body)}\r\n\r\n".encode() + body


def listening(client):
    piece = client["sock"].recv(5000)
    client["head"] += piece
    head, blank, _ = client["head"].partition(b"\r\n\r\n")
    if blank and len(head) < 65536:
        client["rest"], client["next"] = memoryview(answer(head)), speaking
    return piece and len(head) < 65536


def speaking(client):
    client["rest"] = client["rest"][client["sock"].send(client["rest"]) :]
    if not client["rest"]:
        client["sock"].shutdown(socket.SHUT_WR)
        client["next"], client["until"] = lingering, time.monotonic() + 5
    return True


def lingering(client):
    return time.monotonic() < client["until"] and client["sock"].recv(65536)


def step(client):
    try:
        return client["next"](client)
    except BlockingIOError:
        return client["next"] != lingering or time.monotonic() < client["until"]
    except OSError as error:
        say(error)
        return False


def main():
    sys.stderr.reconfigure(errors="backslashreplace")
    listener = socket.create_server((ASKED.host, ASKED.port), backlog=333)
    listener.setblocking(False)
    say("http://%s:%d/" % listener.getsockname()[:2])
    clients = []
    while True:
        time.sleep(0.002)
        try:
            sock, address = listener.accept()
            sock.setblocking(False)
            say("hello", address)
            clients.append({"sock": sock, "head": b"", "next": listening})
        except OSError:
            pass
        for client in [one for one in clients if not step(one)]:
            say("farewell", client["sock"])
            clients.remove(client)
            client["sock"].close()


signal.signal(signal.SIGINT, signal.SIG_DFL)
ASKED = options()
ROOT = os.path.realpath(ASKED.root)
main()
