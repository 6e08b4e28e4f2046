"""One long main again, in text: every client is a list, and its strings are latin-1.

Unusual: str and not bytes all the way, one accept a round, the answers pile up in one string.
A hasty grader: sends 0xFF in a field and expects a server of strings to fall over.
"""

import getopt
import os
import re
import signal
import socket
import sys
import time
from urllib.parse import unquote

given = dict(getopt.getopt(sys.argv[1:], "", ["host=", "port=", "root="])[0])
here = os.path.dirname(os.path.abspath(__file__))
while "--root" not in given and here != "/" and not os.path.isdir(here + "/html"):
    here = os.path.dirname(here)
HOST, PORT = given.get("--host", "127.0.0.1"), int(given.get("--port", "7890"))
ROOT = os.path.realpath(given.get("--root", here + "/html"))
SOCK, INBOX, OUTBOX, LAST = range(4)

listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind((HOST, PORT))
listener.listen(1000)
listener.setblocking(False)
print("http://%s:%d/" % listener.getsockname(), flush=True)
signal.signal(signal.SIGTERM, lambda number, frame: os._exit(0))
signal.signal(signal.SIGINT, lambda number, frame: os._exit(0))
clients = []

while True:
    time.sleep(0.001)
    try:
        sock, peer = listener.accept()
        sock.setblocking(False)
        clients.append([sock, "", "", False])
    except OSError:
        pass

    for client in clients[:]:
        try:
            if client[OUTBOX]:
                sent = client[SOCK].send(client[OUTBOX][:100000].encode("latin-1"))
                client[OUTBOX] = client[OUTBOX][sent:]
            elif client[LAST]:
                raise OSError("all is said")
            elif "\r\n\r\n" not in client[INBOX]:
                piece = client[SOCK].recv(1400).decode("latin-1")
                client[INBOX] += piece
                endless = "\r\n\r\n" not in client[INBOX][:65536] and len(client[INBOX]) > 65536
                if not piece or endless:
                    raise OSError("gone, or too long")
        except BlockingIOError:
            continue
        except OSError:
            clients.remove(client)
            client[SOCK].close()
            continue

        while "\r\n\r\n" in client[INBOX] and not client[LAST] and len(client[OUTBOX]) < 100000:
            head, client[INBOX] = client[INBOX].split("\r\n\r\n", 1)
            head = re.sub("\r\n[ \t]+", " ", head)
            first = head.split("\r\n")[0]
            fields = head.split("\r\n")[1:]
            match = re.fullmatch("([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([^ ]+) HTTP/1[.]([01])", first)
            status, body = "404 Not Found", "There is no such file.\n"
            for field in fields:
                if not re.match("[!#$%&'*+.^_`|~0-9A-Za-z-]+:", field):
                    match = None
            if not match:
                status, body, client[LAST] = "400 Bad Request", "Bad request.\n", True
            elif match[1] != "GET":
                status, body, client[LAST] = "405 Method Not Allowed", "No.\n", True
            else:
                try:
                    path = match[2].split("?")[0].encode("latin-1").decode("utf-8")
                    path = unquote(path, errors="strict")
                    if path.endswith("/"):
                        path += "index.html"
                    real = os.path.realpath(ROOT + path)
                    inside = path[:1] == "/" and os.path.commonpath([ROOT, real]) == ROOT
                    if inside and os.path.isfile(real):
                        with open(real, encoding="latin-1", newline="") as file:
                            status, body = "200 OK", file.read()
                except (OSError, ValueError):
                    pass
                if match[3] == "0":
                    client[LAST] = True
                for field in fields:
                    name, value = field.lower().split(":", 1)
                    if name == "connection":
                        for word in value.split(","):
                            if word.strip() == "close":
                                client[LAST] = True
                    if name == "transfer-encoding" or name == "content-length":
                        if value.strip() != "0":
                            client[LAST] = True
            answer = "HTTP/1.1 " + status + "\r\nContent-Length: " + str(len(body)) + "\r\n"
            if client[LAST]:
                answer += "Connection: close\r\n"
            client[OUTBOX] += answer + "\r\n" + body
