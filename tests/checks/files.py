"""Section 2 of the contract: which bytes a path stands for."""

import os
import time

from grader.subject import Server

NAMES = {
    "with space.txt": "/with%20space.txt",
    "a+b.txt": "/a+b.txt",
    "100%.txt": "/100%25.txt",
    "what?.txt": "/what%3F.txt",
    "a#b.txt": "/a%23b.txt",
    "%41.txt": "/%2541.txt",
    "a..b.txt": "/a..b.txt",
    "a;b=c&d.txt": "/a;b=c&d.txt",
    ".hidden.txt": "/.hidden.txt",
    "中文.html": "/%E4%B8%AD%E6%96%87.html",
    "sub/año/ñandú.txt": "/sub/a%c3%b1o/%c3%B1and%c3%BA.txt",
}


def contents(server: Server) -> None:
    server.did("asked for files of text, of random bytes, of one byte and of none")
    for target in (
        "/index.html",
        "/small.bin",
        "/tricky.txt",
        "/one.txt",
        "/empty.txt",
        "/sub/deep/page.txt",
        "/plain",
    ):
        server.serves(server.ask(target), target, look_at="are the bytes sent as they are in the file?")
        server.leave()


def large(server: Server) -> None:
    server.did("asked for a file of more than 8 MiB and read as fast as it came")
    huge = server.root.huge
    server.serves(server.ask("/huge.bin"), "/huge.bin", huge, look_at="how much does one send() take?")


def names(server: Server) -> None:
    server.did("asked for files whose names need percent-encoding, and for one that does not but has it")
    for name, target in NAMES.items():
        server.root.add_named(name, target)
        server.serves(server.ask(target), target, look_at="what is decoded, when, and how often?")
        server.leave()
    server.serves(server.ask("/%70age1.txt"), "/%70age1.txt", server.root.files["/page1.txt"])


def queries(server: Server) -> None:
    server.did("asked for files with a query behind the path")
    server.root.add_named("what?.txt", "/what%3F.txt")
    for path, query in {
        "/page1.txt": "?x=1",
        "/page2.txt": "?",
        "/page3.txt": "?a=b?c=/../d",
        "/": "?q=/page1.txt",
        "/sub/": "?x=%3F",
        "/what%3F.txt": "?what?",
    }.items():
        server.serves(server.ask(path + query), path + query, server.root.files[path], look_at="where does a path end?")
        server.leave()


def folders(server: Server) -> None:
    server.did("asked for folders by their path with the slash, and once without")
    for target in ("/", "/sub/"):
        server.serves(server.ask(target), target, look_at="what does a path that ends in / mean?")
        server.leave()
    server.answers(server.ask("/sub"), (404, 301), "a folder asked for without its slash")


def fresh(server: Server) -> None:
    server.did("asked for a file before it was made, after, and after each of two changes, one of them of equal length")
    server.answers(server.ask("/made-later.txt"), (404,), "there is no such file yet")
    served_anew(
        server, "/made-later.txt", b"made while the server was running\n", b"changed while the server was going\n"
    )
    server.did("changed, likewise, a file that was there before the server was started")
    served_anew(server, "/changing.txt", b"changed since\n", b"changed twice\n")


def served_anew(server: Server, name: str, *contents: bytes) -> None:
    """Each change is dated a second later than the one before, as it would be by hand."""
    path = server.root.path / name[1:]
    date = path.stat().st_mtime if path.exists() else time.time()
    for later, data in enumerate(contents, 1):
        server.root.add(name, data)
        os.utime(path, (date + later, date + later))
        server.serves(server.ask(name), name, look_at="when is the file read?")
        server.leave()
    path.unlink()
    server.answers(server.ask(name), (404,), "the file has been removed")
    server.leave()
    server.root.add(name, b"as it was in the beginning\n")


def missing(server: Server) -> None:
    server.did(
        "asked for what is no readable regular file: nothing, a folder, a file as a folder, a FIFO, a ring of links"
    )
    locked = server.root.path / "locked.txt"
    locked.write_bytes(b"nobody may read this\n")
    locked.chmod(0)
    targets = ["/nope.txt", "/sub/nope.txt", "/nope/", "/bare/", "/page1.txt/", "/Page1.txt", "/fifo"]
    targets += ["/ring", f"/{'n' * 300}.txt"]
    targets += ["/locked.txt"] if os.geteuid() else []  # root may read everything
    for target in targets:
        look_at = "what does open() do with a FIFO that has no writer?" if target == "/fifo" else ""
        reply = server.answers(server.ask(target), (404,), f"{target} is no readable regular file", look_at)
        server.leave()
        if not reply.body.strip():
            server.fail("404 with a body that a person can read", f"an empty body for {target}")
    server.answers(server.ask("/%ff%fe.txt"), (404, 400), "no UTF-8 is in this path")
