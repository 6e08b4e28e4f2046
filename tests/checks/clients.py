"""Sections 2 and 5 of the contract: clients who stall, who stop reading, who vanish; one, and many at once."""

from functools import partial
from typing import TypedDict

from grader.client import Client, request
from grader.docroot import beyond_buffers
from grader.subject import Server
from tests.checks import questions

MORE = 80  # clients: who gives them to a hundred workers in turn comes to one who waits for somebody else
MANY_LONG = 300  # clients with long heads: more than 2 MiB in all
TINY = 4096  # bytes: the window of a slow reader
#: What those who stall ask for: files of several folders, some of one name.
FOLDERS = ("/", "/sub/", "/sub/deep/page.txt", "/kinds/kind.md")


class Options(TypedDict, total=False):
    """What `request` takes beside a target."""

    version: str
    headers: tuple[str, ...]


#: Requests of a connection that stays, of one that is to close, and of one of HTTP/1.0.
LAST_AND_OTHERS: tuple[Options, ...] = ({}, {"headers": ("Connection: close",)}, {"version": "1.0"})


def stalled(server: Server, count: int) -> list[tuple[Client, str, bytes]]:
    """`count` clients that have each sent another part of a request. Returns them with what each lacks."""
    crowd = []
    for number in range(count):
        target = FOLDERS[number // 2 % len(FOLDERS)] if number % 2 else f"/page{number % 12}.txt"
        head = request(target, headers=(f"X-Number: {number}",))
        cut = (len(head) - 1, 0, 7, len(head) - 2, len(head) // 2)[number % 5]
        client = server.client()
        if cut:
            client.send(head[:cut])
        crowd.append((client, target, head[cut:]))
    server.settle(lambda: all(server.has_read(client) for client, _, rest in crowd if client.sent_bytes))
    return crowd


def delay_nobody(server: Server, count: int) -> None:
    server.did(f"{count} clients sent part of a request, or nothing, and stalled")
    crowd = stalled(server, count)
    for _ in range(2):
        server.did(f"then client #{server.named + 1} came and sent a whole one")
        client = server.ask("/small.bin")
        server.serves(client, "/small.bin", look_at=questions.ALONE)
        server.leave(client)
        server.settle(partial(server.forgotten, client))
        server.come_to_rest()
    server.did(f"then {MORE} more came, one after the other")
    for _ in range(MORE):
        client = server.ask("/page1.txt")
        server.serves(client, "/page1.txt", look_at=questions.ALONE)
        server.leave(client)
    server.did("then the stalled ones ended their requests: the last to come, the first, the others in reverse")
    order = [crowd[-1], crowd[0], *reversed(crowd[1:-1])]
    for client, target, rest in order[:2]:
        client.send(rest)
        server.serves(client, target, look_at=questions.ALONE)
        if not server.long:
            expected = f"the end of the stream for {client.name} after its answer"
            server.must(client.over, expected, clients=[client], costs="end_of_stream")
    with server.stopped():  # who goes on finds all of them there
        for client, _, rest in order[2:]:
            client.send(rest)
    for client, target, _ in order[2:]:
        server.serves(client, target, look_at=questions.ALONE)


def long_heads_delay_nobody(server: Server, count: int) -> None:
    """Who has sent nearly 8 KiB of a head stalls as any other, and gets as much room as the first. Whether one such
    head is taken at all is another line's."""
    head = request("/page1.txt", headers=("X-Padding: " + "x" * 8000,))
    first = server.client()
    first.send(head[:-9])
    server.settle(partial(server.has_read, first))
    first.send(head[-9:])
    server.settle(first.done)
    if not first.replies or first.replies[0].status != 200:
        return
    server.leave()
    count = min(count, MANY_LONG)
    server.told.clear()
    server.did(f"{count} clients sent all but the end of a head of {len(head):,} bytes, and stalled; then another came")
    crowd = [server.client() for _ in range(count)]
    for client in crowd:
        client.send(head[:-9])
    server.settle(lambda: all(map(server.has_read, crowd)))
    server.serves(server.ask("/small.bin"), "/small.bin", look_at=questions.ROOM)
    server.did("then the stalled ones ended their requests, the last one first")
    for client in reversed(crowd):
        client.send(head[-9:])
    for client in reversed(crowd):
        server.serves(client, "/page1.txt", look_at=questions.ROOM)


def all_at_once(server: Server, rounds: int = 12, each: int = 16) -> None:
    """What belongs to the process belongs to all of its threads: they go on together, again and again."""
    for number in range(1, rounds + 1):
        server.did(
            f"{each} clients ended their requests at once, for files of several folders: {number}", again=number > 1
        )
        crowd = stalled(server, each)
        threads = len(server.launch.proc.tasks(server.main))
        with server.stopped():
            for client, _, rest in crowd:
                client.send(rest)
        for client, target, _ in crowd:
            server.serves(client, target, look_at=questions.ALONE)
        server.leave()
        if threads < each:
            return


def come_at_once(server: Server, together: int = 12) -> None:
    """To a server that nobody has met before: who has as many helpers as are needed counts right, though several come
    before the first of them is under way."""
    with server.grading.started() as other:
        other.get("/page1.txt")
        other.did(f"{together} came at one moment, sent part of a request, or nothing, and stalled; so came one more")
        parts = [request(f"/page{number}.txt") for number in range(together)]
        with other.stopped():
            crowd = [other.client(wait=False) for _ in parts]
            for number, client in enumerate(crowd):
                client.send(parts[number][: number % 3 * 9])
            last = other.client(wait=False)
            last.send(request("/small.bin"))
        other.serves(last, "/small.bin", look_at=questions.AT_ONE_MOMENT)
        other.did("then the others ended their requests, the last one first")
        for number in reversed(range(together)):
            crowd[number].send(parts[number][number % 3 * 9 :])
            other.serves(crowd[number], f"/page{number}.txt", look_at=questions.AT_ONE_MOMENT)


def from_one_port(server: Server) -> None:
    """Two hosts may use the same port: a connection is known by both."""
    if ":" in server.address[0] or not server.address[0].startswith("127."):
        return
    server.did("a client sent part of a request; another one came from another address and the same port, and did so")
    first = server.client(source=("127.0.0.2", 0))
    try:
        second = server.client(source=("127.0.0.3", first.local[1]))
    except OSError:  # somebody else has it
        return
    head = request("/page1.txt")
    for client in (first, second):
        client.send(head[:20])
    server.settle(lambda: server.has_read(first) and server.has_read(second))
    for client, target in ((second, "/page1.txt"), (first, "/page1.txt")):
        server.did(f"then {client.name} sent the rest")
        client.send(head[20:])
        server.serves(client, target, look_at="by what does the server know whose bytes these are?")
        server.leave(client)


def stuck_readers(server: Server, count: int, target: str = "", kinds: tuple[Options, ...] = ({},)) -> list[Client]:
    """Clients that ask for more than the kernel can hold and read none of it. kinds: of `request`, in turn."""
    big = server.root.files[target] if target else server.root.big
    assert len(big) >= beyond_buffers()
    readers = []
    for number in range(count):
        client = server.client(window=TINY)
        client.stop_reading()
        client.send(request(target or "/big.bin", **kinds[number % len(kinds)]))
        readers.append(client)

    server.settle(lambda: all(map(server.has_sent, readers)))
    server.come_to_rest()  # a send that is under way takes more and more while its client reads
    return readers


def all_in_the_kernel(server: Server) -> Client:
    """A client that asks for less than the kernel takes at once, and for more than its window, and reads none of it."""
    client = stops_reading(server, request(server.root.sized(1 << 20)))
    server.come_to_rest()
    return client


def readers_delay_nobody(server: Server, count: int = 8) -> None:
    server.did(f"{count} clients asked for a file of several MiB and stopped reading; then two others came")
    others = [server.root.longest] * (server.root.longest != "/big.bin")
    readers = stuck_readers(server, count - 1 - len(others), kinds=LAST_AND_OTHERS)
    readers += [stuck_readers(server, 1, target)[0] for target in others]
    with server.root.vast() as (vast, _, _):
        readers.append(stops_reading(server, request(vast)))
        others_beside(server)
        many_files(server)
        server.did("then the one of 65 MiB left, and the others read on, the last first")
        server.leave(readers.pop())
    for client, target in zip(reversed(readers), others + ["/big.bin"] * count, strict=False):
        client.open_window()
        server.serves(client, target, look_at=questions.REST)


def many_files(server: Server, count: int = 66) -> None:
    """More files than are usually kept open, or in memory: who is in the middle of one has it still."""
    server.did(f"then {count} others asked, each for another file")
    targets = [f"/many/{number}.txt" for number in range(count)]
    for number, target in enumerate(targets):
        if target not in server.root.files:
            server.root.add(target, b"file %d\n" % number)
    crowd = [server.client(wait=False) for _ in targets]
    for client, target in zip(crowd, targets, strict=True):
        client.send(request(target))
    for client, target in zip(crowd, targets, strict=True):
        server.serves(client, target, look_at=questions.WINDOW)
    server.leave(*crowd)


def stops_reading(server: Server, sent: bytes) -> Client:
    """A client that sends this and reads nothing: the server has begun to answer."""
    client = server.client(window=TINY)
    client.stop_reading()
    client.send(sent)
    server.settle(partial(server.has_sent, client))
    return client


def others_beside(server: Server) -> None:
    server.come_to_rest(turns=250)  # so that one who counts fruitless rounds has enough of them
    server.serves(server.ask("/small.bin"), "/small.bin", look_at=questions.WINDOW)
    server.serves(server.ask("/page1.txt"), "/page1.txt", look_at=questions.WINDOW)
    server.did("then one more came for a large one, and read it")
    server.serves(server.ask("/large.bin"), "/large.bin", look_at=questions.WINDOW)


def slow_reader(server: Server) -> None:
    server.did("a client with a window of 4 KiB asked for a file of several MiB, read nothing, then all of it")
    client = stuck_readers(server, 1)[0]
    client.read_on()
    server.settle(lambda: client.received > 1 << 18)
    client.open_window()
    server.serves(client, "/big.bin", look_at=questions.REST)


def plural(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'' if count < 2 else 's' if noun[-1] != 's' else 'es'}"
