"""Section 2 of the contract: what must not be served, however it is asked for."""

from contextlib import nullcontext
from urllib.parse import quote

from grader.client import request
from grader.contract import refusals
from grader.docroot import INSIDE_LINKS, OUTSIDE_LINKS
from grader.subject import Server
from tests.checks import questions

CLIMBS = (
    "/../secret.txt",
    "/../../../../../../../../../../etc/passwd",
    "/sub/../../secret.txt",
    "/sub/deep/../../../secret.txt",
    "/%2e%2e/secret.txt",
    "/%2E%2E%2Fsecret.txt",
    "/..%2fsecret.txt",
    "/.%2e/secret.txt",
    "/..//secret.txt",
    "//../secret.txt",
    "/....//secret.txt",
    "/%252e%252e/secret.txt",
    "/linked/../secret.txt",
    "/sub/away/../secret.txt",
    "/shortcut/../../secret.txt",
    "/..\\secret.txt",
    "/../www-private/secret.txt",
    "/../www2/secret.txt",
    "/%2e%2e/www2/secret.txt",
    "/page1.txt%00",
    "/page1.txt%00.html",
    "/%00",
    "/../secret.txt%00.txt",
)
WANDERS = ("/sub/../page1.txt", "//page1.txt", "/./page1.txt", "/../www/page1.txt")
METHODS = (
    *("TRACE", "PROPFIND", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW", "GETS", "get"),
    *("M-SEARCH", "VERSION-CONTROL", "G", "A!#$%&'*+-.^_`|~9", "B" * 40),  # tokens, RFC 9110, section 5.6.2
)
UPLOADS = ("POST", "PUT", "PATCH")  # who sends no length has no body, RFC 9112, section 6.3
#: Where no file is, or another kind of thing: the method is no other there.
ANYWHERE = (
    *("/nope.txt", "/nope/", "/", "/sub/", "/sub", "/bare/", "/page1.txt/", "/fifo", "/empty.txt", "/page1.txt?x=1"),
    *("/../secret.txt", "/%2e%2e/secret.txt", "/sub/../../secret.txt", "/link.txt", "/linked/secret.txt", "/ring"),
    *("/relative.txt", "/shortcut/", "/large.bin"),
)
JUNK = (
    b"HELLO\r\n\r\n",
    b"GET\r\n\r\n",
    b"\xff\xfe\x00\x80junk\r\n\r\n",
    b'{"not": "HTTP"}\r\nat: all\r\n\r\n',
    b"GET /page1.txt ABC\r\nHost: kata.test\r\n\r\n",
    b"GET /page1.txt FTP/1.1\r\nHost: kata.test\r\n\r\n",
    b"OPTIONS sip:nm SIP/2.0\r\nHost: kata.test\r\n\r\n",
    b"M-SEARCH * SSDP/1.0\r\nHost: kata.test\r\n\r\n",
    b"GET /page1.txt HTTPS/1.1\r\nHost: kata.test\r\n\r\n",
)
#: What a server makes of these is its own business, but it lives on.
UNUSUAL = (
    b"GET /page1.txt HTTP/1.1 and more\r\nno colon here\r\n\r\n",
    "GET /中文.html HTTP/1.1\r\nHost: kata.test\r\n\r\n".encode(),
)


def climbs(server: Server) -> None:
    server.did("asked for a secret beside the root in one spelling after the other")
    folder = quote(bytes(server.root.folder))  # TMPDIR may have a space in it
    for target in (*CLIMBS, f"/{folder}/secret.txt", f"/%2f{folder[1:]}/secret.txt", f"{folder}/secret.txt"):
        why = f"{target} has a NUL byte, as no file name has" if "%00" in target else f"{target} leaves the root"
        server.answers(server.ask(target), (404,), why, outside(why))
        server.leave()
    for target in ("2/secret.txt", "-private/secret.txt", "../secret.txt", "secret.txt"):
        server.did(f"asked for {target}, a target without its slash, which may be answered in any way", again=True)
        client = server.ask(target)
        server.settle(client.done)
        server.leave()  # where it is seen whether anything came from outside


def outside(why: str) -> str:
    """The question for a path that gets where it should not."""
    return next(question for words, question in questions.OUTSIDE.items() if words in why)


def wanders(server: Server) -> None:
    server.did("asked for paths that wander about and end inside the root")
    for target in WANDERS:
        why = f"{target} ends inside the root"
        reply = server.answers(server.ask(target), (200, 404), why, questions.WANDERS)
        server.leave()
        if reply.status == 200 and reply.body != server.root.files["/page1.txt"]:
            look_at = "what does a library that splits addresses take for the path here?"
            server.fail("the bytes of /page1.txt, or 404", f"200 with other bytes for {target}", look_at=look_at)


def links(server: Server) -> None:
    server.did("asked for symbolic links, in the root, to what lies outside of it")
    for target in OUTSIDE_LINKS:
        server.did(f"asked for {target}, a symbolic link that leaves the root, or below one", again=True)
        server.answers(server.ask(target), (404,), f"{target} is a link that leaves the root", outside(""))
        server.leave()
    for target in INSIDE_LINKS:
        server.did(f"asked for {target}, a symbolic link that stays inside the root, or below one", again=True)
        server.serves(server.ask(target), target, look_at=questions.INSIDE)
        server.leave()


def methods(server: Server) -> None:
    server.did("sent other methods for a file that is there, without a body")
    for method in METHODS:
        headers = ("Content-Length: 0",) if method in UPLOADS else ()
        client = server.ask("/page1.txt", method=method, headers=headers)
        statuses = tuple(sorted(refusals(method)))
        server.answers(client, statuses, f"{method} is not GET", questions.METHODS)
        server.leave()
    for target, method in ((target, method) for target in ANYWHERE for method in ("DELETE", "POST", "PROPFIND")):
        server.did(f"sent {method} {target}, without a body", again=True)
        client = server.ask(target, method=method, headers=("Content-Length: 0",) * (method == "POST"))
        server.answers(client, (405, 501), f"{method} is not GET", questions.METHODS)
        server.leave()
    for method in UPLOADS:
        server.did(f"sent {method} /page1.txt without a Content-Length, which means without a body", again=True)
        server.answers(server.ask("/page1.txt", method=method), (405, 501), f"{method} is not GET", questions.METHODS)
        server.leave()


def junk(server: Server) -> None:
    for head in JUNK:
        client = server.client()
        server.did(f"{client.name} sent {head!r}")
        client.send(head)
        server.must(
            client.done,
            "400, or the end of the connection",
            clients=[client],
            look_at=questions.REQUEST_LINE,
        )
        if client.malformed or (client.replies and client.replies[0].status != 400):
            server.answers(client, (400,), f"{head!r} is no HTTP", questions.REQUEST_LINE)
        server.leave()
    for head in UNUSUAL:
        client = server.client()
        server.did(f"{client.name} sent {head!r}", again=True)
        client.send(head)
        server.settle(client.done)


def half_requests(server: Server) -> None:
    """A whole request, then the end of the client's sending side."""
    server.did("a client ended its sending side")
    for pause in (server.stopped, nullcontext):
        when = " while the server was stopped (SIGSTOP); it went on" if pause == server.stopped else ""
        server.did(f"a client sent a whole request and shut down its sending side{when}", again=True)
        for target in ("/small.bin", server.root.sized(20_001), "/hundred.bin"):
            client = server.client()
            with pause():
                client.send(request(target))
                client.half_close()
            server.serves(client, target, look_at=questions.GOODBYE)
            server.leave()
