"""Which of several listening sockets is the server's: the one at the port asked for; if any port was allowed, the
one that serves the site. A second port is the server's own business: a status page, say (contract, section 1)."""

from grader import waiting
from grader.client import Client
from grader.kernel import Socket
from grader.proof import Rest
from grader.story import Cast
from grader.subject import Server

TURNS = 5  # of a server that never sleeps for long: then it has begun to serve


def rest(server: Server) -> None:
    """Wait until all that it opens at its start is there, and what it opened for a moment is gone."""
    resting = Rest(server.launch.proc, server.launch.family, TURNS)
    server.comes(resting.check, waiting.PATIENCE / 3)


def find(server: Server) -> Socket | None:
    """The listener of a server that has come to rest; None if it has none (any more)."""
    found = list(server.launch.doors().values())
    if len(found) < 2 or server.launch.asked_for(found[0]):
        return found[0] if found else None
    return ask(server, found)


def ask(server: Server, found: list[Socket]) -> Socket:
    """The one that answers with a page of the site; if none does, the first."""
    asked = {row: knock(server, row) for row in found if ":" not in row.address[0] or row.address[0] == "::"}
    page = server.root.files["/index.html"]

    def right() -> list[Socket]:
        return [row for row, client in asked.items() if any(reply.body == page for reply in client.replies)]

    server.comes(lambda: right() or all(client.done() for client in asked.values()), waiting.PATIENCE)
    chosen = (right() or found)[0]
    server.close_clients()  # whoever knocked at another door is not judged by what it was told there
    server.comes(lambda: all(map(server.forgotten, server.departed)), waiting.PATIENCE / 6)
    server.departed.clear()
    server.named, server.cast = 0, Cast()  # nobody has come yet, as far as the checks are concerned
    return chosen


def knock(server: Server, row: Socket) -> Client:
    """A client that has asked this listener for a page, in a way that the strictest server takes."""
    server.launch.listener = row
    client = server.client(wait=False)
    host, port = server.address
    client.send(f"GET /index.html HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
    return client
