"""Which of several listening sockets is the server's: the one at the port asked for; if any port was allowed, the
one that serves the site. A second port is the server's own business: a status page, say (contract, section 1)."""

from grader import waiting
from grader.client import Client
from grader.kernel import Socket
from grader.proof import Rest
from grader.story import Cast
from grader.subject import Server

KNOCKS = ("/index.html", "/page1.txt", "/sub/deep/page.txt")  # a start page alone may be somebody else's
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
    """The one that answers with files of the site; if none does, the first."""
    asked = {row: knock(server, row) for row in found if ":" not in row.address[0] or row.address[0] == "::"}

    def done() -> bool:
        return all(client.done() for crowd in asked.values() for client in crowd.values())

    def right(row: Socket) -> int:
        """How many of its answers are the files asked for."""
        files = server.root.files
        return sum(files[name] == reply.body for name, client in asked[row].items() for reply in client.replies[:1])

    server.comes(lambda: done() or any(right(row) == len(KNOCKS) for row in asked), waiting.PATIENCE)
    chosen = max(asked, key=right, default=found[0])
    server.close_clients()  # whoever knocked at another door is not judged by what it was told there
    server.comes(lambda: all(map(server.forgotten, server.departed)), waiting.PATIENCE / 6)
    server.departed.clear()
    server.named, server.cast = 0, Cast()  # nobody has come yet, as far as the checks are concerned
    return chosen


def knock(server: Server, row: Socket) -> dict[str, Client]:
    """Clients that have asked this listener for a file each, in a way that the strictest server takes."""
    server.launch.listener = row
    host, port = server.address
    crowd = {}
    for name in KNOCKS:
        crowd[name] = server.client(wait=False)
        crowd[name].send(f"GET {name} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
    return crowd
