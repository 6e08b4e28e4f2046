"""Sections 2 and 5 of the contract: clients who stall, who stop reading, who vanish; one, and many at once."""

from collections import Counter

from grader.client import Client, request
from grader.docroot import beyond_buffers
from grader.subject import Server
from tests.checks import questions

TINY = 4096  # bytes: the window of a slow reader


def stalled(server: Server, count: int) -> list[tuple[Client, str, bytes]]:
    """`count` clients that have each sent another part of a request. Returns them with what each lacks."""
    crowd = []
    for number in range(count):
        target = f"/page{number % 12}.txt"
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
        server.settle(lambda client=client: server.forgotten(client))
        server.come_to_rest()
    server.did("then the stalled ones ended their requests: the last to come, the first, the others in reverse")
    order = [crowd[-1], crowd[0], *reversed(crowd[1:-1])]
    for client, target, rest in order[:2]:
        client.send(rest)
        server.serves(client, target, look_at=questions.ALONE)
        if not server.long:
            expected = f"the end of the stream for {client.name} after its answer"
            server.must(lambda client=client: client.ended, expected, clients=[client])
    for client, _, rest in order[2:]:
        client.send(rest)
    for client, target, _ in order[2:]:
        server.serves(client, target, look_at=questions.ALONE)


def stuck_readers(server: Server, count: int) -> list[Client]:
    """Clients that ask for more than the kernel can hold and read none of it."""
    big = server.root.big
    assert len(big) >= beyond_buffers()
    readers = []
    for _ in range(count):
        client = server.client(window=TINY)
        client.stop_reading()
        client.send(request("/big.bin"))
        readers.append(client)

    def answering(client: Client) -> bool:
        row = server.row(client)
        return row is None or row.unsent > 0 or row.state != 1

    server.settle(lambda: all(map(answering, readers)))
    server.come_to_rest()  # a send that is under way takes more and more while its client reads
    return readers


def readers_delay_nobody(server: Server, count: int = 8) -> None:
    server.did(f"{count} clients asked for a file of several MiB and stopped reading; then two others came")
    readers = stuck_readers(server, count)
    server.come_to_rest(turns=250)  # so that one who counts fruitless rounds has enough of them
    server.serves(server.ask("/small.bin"), "/small.bin", look_at=questions.WINDOW)
    server.serves(server.ask("/page1.txt"), "/page1.txt", look_at=questions.WINDOW)
    server.did("then the readers read on, the last first")
    for client in reversed(readers):
        client.open_window()
        server.serves(client, "/big.bin", look_at=questions.REST)


def slow_reader(server: Server) -> None:
    server.did("a client with a window of 4 KiB asked for a file of several MiB, read nothing, then all of it")
    client = stuck_readers(server, 1)[0]
    client.read_on()
    server.settle(lambda: client.received > 1 << 18)
    client.open_window()
    server.serves(client, "/big.bin", look_at=questions.REST)


def more_descriptors(server: Server, before: Counter[str]) -> str:
    """How many the main process has, and of what kind those are that it had not before."""
    more = ", ".join(f"{count} {kind}" for kind, count in (server.descriptor_kinds() - before).most_common())
    return f"{server.descriptors()} descriptors; more than before: {more}"


def plural(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'' if count < 2 else 's' if noun[-1] != 's' else 'es'}"


def released(server: Server, gone: list[Client], what: str) -> None:
    """Demand that nothing of these clients is left in the server."""
    server.must(
        lambda: all(map(server.forgotten, gone)) and server.client_descriptors() == 0,
        "no descriptor of a client that has left",
        saw=lambda: f"{plural(server.client_descriptors(), 'socket')} still open after {what}",
        look_at=questions.LEFT,
    )


def vanish(server: Server, each: int = 4) -> None:
    half = request("/page1.txt")[:-9]
    server.did(f"{plural(2 * each, 'client')} stalled and were served")  # so that a pool need not grow later
    for client, target, rest in stalled(server, 2 * each):
        client.send(rest)
        server.serves(client, target)
    server.leave()
    server.settle(lambda: server.client_descriptors() == 0)
    server.come_to_rest()  # who makes all its processes at the start may have been at it
    processes, before, kinds = len(server.living()), server.descriptors(), server.descriptor_kinds()
    for sent in (b"", half):
        for way in (Client.close, Client.reset):
            part = "part of a request" if sent else "nothing"
            verb = "closed" if way is Client.close else "reset"
            gone = [server.client() for _ in range(each)]
            server.did(f"{plural(each, 'client')} sent {part} and {verb} the connection")
            for client in gone:
                if sent:
                    client.send(sent)
                server.settle(lambda client=client: server.has_read(client))  # accepted, if nothing was sent
                way(client)
                server.leave(client)
            released(server, gone, f"{plural(each, 'client')} had sent {len(sent)} bytes and left by a {way.__name__}")
    gone_before_accepted(server, each)
    server.must(
        lambda: len(server.living()) < processes + 2 * each,
        "no process of a client that has left",
        saw=lambda: f"{plural(processes, 'process')} before, {len(server.living())} now",
        look_at="what does a process do whose client has vanished, and what ends it?",
    )
    one_more(server, processes)
    server.must(
        lambda: server.descriptors() < before + each,
        f"about {before} descriptors in the main process, as before",
        saw=lambda: more_descriptors(server, kinds),
        look_at=questions.OPENED,
    )


def gone_before_accepted(server: Server, each: int) -> None:
    server.did(
        f"{plural(each, 'client')} connected and reset the connection while the server was stopped (SIGSTOP);"
        " it went on",
    )
    with server.stopped():
        gone = [server.client(wait=False) for _ in range(each)]
        for client in gone:
            client.reset()
    server.leave()
    released(server, gone, "clients had left before they were accepted")


def reset_in_answer(server: Server, count: int = 4) -> None:
    server.did(f"{count} clients, one after the other, asked for a file of several MiB and reset in mid-answer")
    open_files = None
    for number in range(count):
        client = stuck_readers(server, 1)[0]
        if number % 2:
            client.half_close()  # so that the reset is told as EPIPE and not as ECONNRESET
            server.come_to_rest()
        client.reset()
        server.leave(client)
        released(server, [client], "a reset in mid-answer")
        open_files = server.open_files() if open_files is None else open_files
    server.must(
        lambda: server.open_files() <= open_files,
        "no file left open for a client that has left",
        saw=lambda: f"files of the root that are open: {server.open_files()}",
        look_at="what else is open while a file is sent, and who closes it when sending fails?",
    )


def one_more(server: Server, processes: int) -> None:
    """Let the server notice its dead: some look after theirs only when the next client comes."""
    server.until(lambda: len(server.living()) <= processes)
    server.probe(1, questions.ALONE)


def nothing_piles_up(server: Server, rounds: int = 5) -> None:
    """Clients that were answered leave no descriptor behind in the main process, whatever they sent."""
    page = request("/page1.txt")
    heads = (page, request("/nope.txt"), request("/sub"), request("/page1.txt", method="DELETE"), b"HELLO\r\n\r\n")
    visits = [*((head, False) for head in heads), (page, True)]
    server.get("/page1.txt")
    server.settle(lambda: server.client_descriptors() == 0)
    server.come_to_rest()
    processes, before, kinds = len(server.living()), server.descriptors(), server.descriptor_kinds()
    server.did(
        f"{rounds * len(visits)} clients came one after the other, {rounds} of each kind: asked for a file,"
        " for none, for a folder, with another method, sent no HTTP, asked and ended the sending side"
    )
    for head, ends in visits * rounds:
        client = server.client()
        client.send(head)
        if ends:
            client.half_close()
        server.settle(lambda client=client: client.replies or client.ended)
        server.leave()
    one_more(server, processes)
    server.must(
        lambda: server.descriptors() <= before + 3,
        f"about {before} descriptors in the main process, as before",
        saw=lambda: more_descriptors(server, kinds),
        look_at=questions.OPENED,
    )
