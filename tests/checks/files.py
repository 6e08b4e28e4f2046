"""Section 2 of the contract: which bytes a path stands for."""

import gzip
import os
from urllib.parse import quote

from grader import docroot
from grader.client import Client, request
from grader.docroot import KINDS, MODES, NO_TEXT
from grader.questions import Questions
from grader.reply import NONE, difference, excerpt
from grader.subject import Server
from tests.checks import clients, questions

LONG_AGO = 1e9  # seconds: in September 2001
#: Files that are as old as time, older, and of years to come.
DATES = {"/epoch.txt": 0.0, "/before.txt": -86400.0, "/to-come.txt": 4e9}
ONCE = "how often is the path decoded?"
ESCAPES = "which bytes do these escapes stand for, and in which encoding are they a name?"
FIRST = "which comes first: cutting off the query, or decoding the path?"
REFUSES = "which names does your code refuse, and who asked it to?"
#: Names of which careful servers send nothing; here they are files as any other.
DENIED = (
    *(".git/config", "b/.htaccess", "b/.env", "web.config", "server.py", "b/index.php", "dump.sql", "a.bak", "x.log"),
    *("k.pem", "CON", "nul.txt", "Thumbs.db", "cgi-bin/run", "admin/a.txt", "~user/a.txt", "#a#", "etc/passwd"),
    *(
        "Dockerfile",
        "package.json",
        "b/id_rsa",
        ".DS_Store",
        "wp-config.php",
        "aux",
        "com1.log",
        "a.swp",
        "a.orig",
        "a.exe",
    ),
    *(
        "node_modules/a.js",
        "WEB-INF/web.xml",
        "__pycache__/a.pyc",
        "private/a.txt",
        "tmp/a.tmp",
        "README.md",
        "desktop.ini",
    ),
)
#: Name -> its target, and what to ask when it is not served.
NAMES = {
    **{name: ("/" + quote(name, safe="/~"), REFUSES) for name in DENIED},
    "with space.txt": ("/with%20space.txt", "what does %20 stand for, and when is it decoded?"),
    "a+b.txt": ("/a+b.txt", "where does a `+` mean a space, and is a path such a place?"),
    "100%.txt": ("/100%25.txt", ONCE),
    "what?.txt": ("/what%3F.txt", FIRST),
    ".well-known/security.txt": (
        "/.well-known/security.txt",
        "does a dot in front make a folder another kind of folder?",
    ),
    "..notes.txt": ("/..notes.txt", "do two dots always climb?"),
    ".../three.txt": ("/.../three.txt", "do dots always climb, or stay?"),
    "_static/-x.css": ("/_static/-x.css", REFUSES),
    "@/+/=.txt": ("/@/+/=.txt", REFUSES),
    "a (deleted)": ("/a%20(deleted)", "how does your code know that a file is gone?"),
    "$HOME.txt": ("/$HOME.txt", "what else than its percents is replaced in this path, and who asked for it?"),
    "~root": ("/~root", "what else than its percents is replaced in this path, and who asked for it?"),
    "${PATH}/%HOME%.txt": ("/%24%7BPATH%7D/%25HOME%25.txt", "what of this path is replaced, and who asked for it?"),
    "www/html/srv.txt": ("/www/html/srv.txt", "which letters are taken off at the beginning of a path?"),
    "my folder/año/page (1), 'a'!*@$&+=;:.txt": (
        "/my%20folder/a%c3%b1o/page%20(1),%20'a'!*@$&+=;:.txt",
        "which characters may stand in a path as they are, RFC 3986, section 3.3?",
    ),
    "/".join(["n" * 200] * 7 + ["deep.txt"]): (
        "/" + "/".join(["n" * 200] * 7 + ["deep.txt"]),
        "how long may a path be?",
    ),
    "a#b.txt": ("/a%23b.txt", "which characters end a path, and does an escaped one?"),
    "%41.txt": ("/%2541.txt", ONCE),
    "a..b.txt": ("/a..b.txt", "do two dots always climb?"),
    "a;b=c&d.txt": ("/a;b=c&d.txt", "which of these characters end a path, and who says so?"),
    "blank at the end ": ("/blank%20at%20the%20end%20", "what of this path is taken off before the file is opened?"),
    ".hidden.txt": ("/.hidden.txt", "does a dot in front make a file another kind of file?"),
    "back\\slash.txt": ("/back%5Cslash.txt", "which characters part the names in a path, here?"),
    "notes.txt~": ("/notes.txt~", REFUSES),
    "e\u0301 \xe9.txt": ("/e%CC%81%20%C3%A9.txt", ESCAPES),
    "line\r\nBreak: yes.txt": ("/line%0D%0ABreak:%20yes.txt", "may a name hold an end of line?"),
    "中文.html": ("/%E4%B8%AD%E6%96%87.html", ESCAPES),
    "e\u0301 is no \xe9.txt": ("/e%cc%81%20is%20no%20%c3%a9.txt", "are two names the same that look the same?"),
    "sub/año/ñandú.txt": ("/sub/a%c3%b1o/%c3%B1and%c3%BA.txt", ESCAPES),
}
#: Path -> a query behind it, and what to ask when the two are not told apart.
QUERIES = {
    "/page1.txt": ("?x=1", "where does the path end?"),
    "/page2.txt": ("?", "where does the path end, if the query is empty?"),
    "/page3.txt": ("?a=b?c=/../d", "at which of its question marks does the path end?"),
    "/": ("?q=/page1.txt", "which comes first: looking at how the path ends, or cutting off the query?"),
    "/sub/": ("?x=%3F", "which comes first: looking at how the path ends, or cutting off the query?"),
    "/what%3F.txt": ("?what?", FIRST),
    "/page5.txt": ("?file=/%2e%2e/../secret.txt", "where does the path end, and may dots in a query climb?"),
    "/page8.txt": ("?url=http://a.test/b", "where does the path end, and is the rest of the target read at all?"),
    "/page9.txt": ("?//x@y:z[1]!$'()*,", "where does the path end, and is the rest of the target read at all?"),
    "/page6.txt": ("?" + "&".join(["a=b"] * 300), "what is there to count in a query?"),
    "/page7.txt": ("?" + ";".join(f"{n}" for n in range(300)), "what is there to read in a query?"),
    "/page4.txt": ("?a=%00&b=%zz", "what of a query has to be decoded, or to make sense, for a file to be sent?"),
    "/page10.txt": ("?q=caf%E9", "which bytes may the escapes of a query stand for, if nobody asks for their meaning?"),
}
#: Names that browsers, robots and those who look for holes ask for; and what some pages send instead of a picture.
EXPECTED = """
    /favicon.ico /robots.txt /apple-touch-icon.png /sitemap.xml /manifest.json /health /status /metrics
    /server-status /.htaccess /.env /index.php /index.htm /default.html /cgi-bin/test /nope.png /nope.gif /nope.jpg
    /nope.css /nope.js /nope.html /404.html /$HOME
""".split()
#: What a careless reading takes for /page1.txt.
NEARLY = """
    /page*.txt /page%3f.txt /page%5b1%5d.txt /%7bpage1%7d.txt /page1.txt;v=2 /page1.txt%3bv=2 /page1.txt,v
    /page1.txt&x=1 /page1.txt=x /page1.txt:80 /page1.txt::$DATA /page1.txt. /page1.txt.. /page1.txt%20 /%20page1.txt
    /page1.txt%23x /page1.txt%3fx /page1.txt%5c /page1.txt~ /%22page1.txt%22 /page1.txt%2500 /page1%252etxt
    /page1..txt /page1.tx /page1.txtt /PAGE1.TXT /page%EF%BC%91.txt /page1.txt%E2%80%8B /pag%D0%B51.txt
""".split()
ALIKE = "is there a file of this very name, or of one that is like it?"
#: Pages of a site that servers like to send for what is not there.
INSTEAD = ("/404.html", "/404.htm", "/404/index.html", "/errors/404.html", "/error.html", "/200.html", "/sub/404.html")
USUAL = ("/404.html", *(target for target in EXPECTED[:15] if target != "/.htaccess"))
MIDWAY = "what does open() raise when one of the names on the way is no folder, and what is the client told?"
#: What is no readable regular file -> what to ask when it is not answered so.
MISSING: dict[str, Questions] = {
    "/nope.txt": "what does open() raise when there is no such file, and what is the client told?",
    "/sub/nope.txt": "what does open() raise when there is no such file, and what is the client told?",
    "/nope/": "what is there in a folder that does not exist?",
    "/bare/": "what is there to send for a folder without an index.html?",
    "/page1.txt/": {
        "not one byte came": MIDWAY,
        "": "what does the slash at the end ask for, and is it still there when the file is looked up?",
    },
    "/Page1.txt": "who says that large and small letters are the same?",
    "/socket": "what does open() raise for a socket, and what kind of file is it?",
    "/odd/": "what is an index.html that is a folder, and what does open() or read() raise then?",
    "/odd/index.html/": "what is there to send for a folder without an index.html?",
    "/fifo": "what does open() do with a FIFO that has no writer, and what kind of file is it?",
    "/ring": "what does following a link that leads back to itself raise?",
    f"/{'n' * 300}.txt": "what does the kernel say to a name of 304 bytes, and what is the client told?",
    **dict.fromkeys(EXPECTED, "who asks for this name, and is there a file of that name?"),
    **dict.fromkeys(("/page1", "/index", *NEARLY), ALIKE),
    "/sub/deep/": "what is there to send for a folder without an index.html?",
    "/kinds/": "what is there to send for a folder without an index.html?",
    "/old/": "which file does a path that ends in / stand for, and is there another?",
    "/pipes/": "what does open() do with a FIFO that has no writer, and what kind of file is it?",
    **{f"/{name}/x.txt": MIDWAY for name in ("ring", "fifo", "socket", "page1.txt", "n" * 300, "dangling.txt")},
    "/locked.txt": "what does open() raise when the file may not be read, and what is the client told?",
}
#: Target -> why it names no file.
NO_NAMES = {
    "/%ff%fe.txt": "no UTF-8 is in this path",
    "/nope%zz.txt": "%zz is no percent-encoding",
    "/nope%4": "%4 is no percent-encoding",
}

#: Lines that change nothing, whatever a careless reader makes of them.
NOTHING = """\
Accept: */*
X-Note: Connection: close
X-Connection: close
Accept-Encoding: identity
X-Empty:
Cookie: a=b; close
Referer: http://kata.test/HTTP/1.0
User-Agent:no space
Via: HTTP/1.0 proxy
Host-Not: kata.test
X-Tab:\tvalue\t
X-Colons: a:b::c
Connection-Note: close
Accept-Language: de
Accept: image/avif,image/webp,*/*;q=0.8
Accept: text/html
Accept: application/json;q=0.9, image/*;q=0.1
Accept-Charset: utf-16;q=0
DNT: 1
Cookie: session=YWJj==
Authorization: Basic dTpw
Origin: null
Forwarded: for=_x;by=[::1]
X-Forwarded-For: 192.0.2.1, ::1
Cache-Control: no-store, max-age=0
Pragma: no-cache
From: a@b
Upgrade-Insecure-Requests: 1
Sec-Fetch-Mode: navigate
Priority: u=1, i
Max-Forwards: 0
Accept-Language: *;q=0
Content-Type: text/plain
Date: Mon, 01 Jan 2001 00:00:00 GMT
X-HTTP-Method: DELETE
Referer: https://elsewhere.example/page
Origin: http://elsewhere.example
Sec-Fetch-Site: cross-site
User-Agent:
User-Agent: curl/8.5.0
User-Agent: python-requests/2.32.3
User-Agent: x (gzip)
User-Agent: Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)
X-HTTP-Method-Override: DELETE
X-Method-Override: PUT
X-Original-URL: /nope.txt
X-Rewrite-URL: /no
X-Forwarded-Proto: https
X-Forwarded-Host: elsewhere.example
X-Real-IP: 192.0.2.1
X-Sendfile: /no
Cache-Control: only-if-cached
Purpose: prefetch
Sec-Purpose: prefetch
Save-Data: on
Prefer: wait=0
Proxy-Connection: close
Keep-Alive: timeout=1, max=1
HTTP2-Settings: AAMAAABkAAQAAP__
A-IM: feed
Cookie: user/id=3
Cookie: =; ;;a,b=c; [x]
Authorization: Basic bWU6YTpi
Authorization: Bearer a.b.c
X-Requested-With: XMLHttpRequest
Depth: 1
Destination: /page2.txt
Accept: application/json
X-Forwarded-Proto: http
X-Forwarded-Ssl: off
X-Forwarded-Prefix: /sub
Cookie: lang=de
Accept: image/webp
User-Agent: Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1)
User-Agent: Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Mobile/15E148
User-Agent: sqlmap/1.8
Sec-GPC: 1
Sec-Fetch-Dest: image
Warning: 299 - x
Accept-Encoding: gzip;q=0, br;q=0
Service-Worker: script
X-Debug: 1
""".splitlines()
#: Lines that come together. Who is asked to change the protocol need not, RFC 9110, section 7.8.
TOGETHER: tuple[tuple[str, ...], ...] = (
    ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"),
    ("Upgrade: h2c, websocket",),
    ("Connection: TE", "TE: trailers"),
)
#: The same, of a browser, whose brand may hold any sign; of proxies, who may know no address, RFC 7239, section 6.2; of
#: what follows a request on its way; of who has been there before.
LATELY: tuple[tuple[str, ...], ...] = (
    ('Sec-CH-UA: "Not;A=Brand";v="8", "Chromium";v="140"', "Sec-CH-UA-Mobile: ?0", 'Sec-CH-UA-Platform: "Linux"'),
    ("X-Real-IP: 2001:db8::1", "X-Forwarded-For: unknown, [2001:db8::1]:4711", "X-Forwarded-Port: 443"),
    ("Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "Baggage: a=b;c, d=%20e", "Early-Data: 1"),
    ("Cookie: session=0af7651916cd43dd; theme=dark", "X-CSRF-Token: 0af7"),
)
#: Files that stand beside another one, in another language or packed, and that nobody has asked for.
BESIDE = (
    *(f"/page1{end}" for end in (".txt.de", ".de.txt", ".txt.gz", ".txt.br", ".txt.html", ".html", ".json", ".webp")),
    *("/de/page1.txt", "/mobile/page1.txt", "/sub/page1.txt", "/page1.txt.json", "/page1.txt.webp"),
)
#: What other programs of a site run.
PROGRAMS = ("/cgi-bin/program", *(f"/run{end}" for end in (".cgi", ".py", ".sh", ".php")))
PROGRAM = b"#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\nrun, not sent\\n'\n"
PAGE = """\
<!DOCTYPE html>
<!-- a comment -->
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>{{ title }} {% block a %}{% endblock %} ${HOME} $name %(name)s {0} @@VERSION@@ [% INCLUDE a %] <%= 1 %></title>
  <!--#include virtual="/page1.txt" -->
  <!--#echo var="DATE_LOCAL" -->
  <?php echo 1; ?>
  <link rel="stylesheet" href="/style.css">
  <script src="http://elsewhere.example/a.js"></script>
</head>

<body  class = "a"  >
  <a href="http://kata.test/page1.txt">one</a>   <img src="a.png"   >
  <pre>  one
    two  </pre>
</body>
</html>

"""
#: Target -> what is in it.
SOURCES = {
    **{f"/source.{end}": PAGE for end in ("html", "shtml", "php", "md")},
    "/source.css": "/* a comment */\n@import url( 'a.css' );\n\nbody  {\n\tcolor : #ffffff ;\n}\n\n",
    "/source.js": "// a comment\n/* another */\nconst  a = `${b}` ;\n\n//# sourceMappingURL=a.js.map\n",
    "/source.json": '{ "b" : [ 1.0 , 2 ],\n\n  "a" : "\\u00e9" }\n',
    "/source.svg": '<?xml version="1.0"?>\n<!-- a -->\n<svg  xmlns="http://www.w3.org/2000/svg" >\n</svg >\n\n',
    "/source.xml": '<?xml version="1.0" encoding="utf-8"?>\n<!-- a -->\n<a >\n  <b></b>\n</a>\n',
    "/source.csv": "a, b ;c\n\n1,  2\n",
    "/source.ini": "# a comment\n[a]\nb = $HOME\n",
}
BROWSER = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Sec-Fetch-Dest: document",
)
#: Values of Accept-Encoding: who is asked so may pack or not, or may not.
ACCEPTED = ("gzip", "gzip, deflate, br, zstd", "br", "zstd", "gzip; q=0", "deflate", "*; q=0")
HOSTS = ("KATA.Test", "kata.test:7890", "127.0.0.1:80", "[::1]:80", "localhost:", "elsewhere.example")
AT_ONCE = 4  # lines that go together where there is nothing


def contents(server: Server) -> None:
    server.did("asked for /page1.txt")
    server.serves(server.ask("/page1.txt"), "/page1.txt", look_at=questions.PLAIN)
    server.leave()
    server.did("asked for files of text, of random bytes, of one byte and of none")
    for target, when in DATES.items():
        server.root.add(target, f"dated {when:.0f}\n".encode(), dated=when)
    targets = (
        *DATES,
        "/index.html",
        "/small.bin",
        "/tricky.txt",
        "/one.txt",
        "/empty.txt",
        "/sub/deep/page.txt",
        "/plain",
    )
    kinds = (f"/kinds/kind{kind}" for kind in KINDS)
    for target in (*targets, *NO_TEXT, *kinds, *MODES.values(), *map(server.root.sized, server.root.sizes)):
        server.did(f"asked for {target}, {len(server.root.files[target])} bytes", again=True)
        server.serves(server.ask(target), target, look_at=questions.CONTENT)
        server.leave()


def usual_names(server: Server) -> None:
    """What is mostly not there, and what servers like to answer by themselves: now it is a file as any other."""
    server.begin_story()
    with server.root.for_now(*USUAL):
        for target in USUAL:
            server.root.add(target, f"{target} of the site\n".encode())
            server.did(f"asked for {target}, which is a file of the site", again=True)
            server.serves(server.ask(target), target, look_at=questions.BY_NAME)
            server.leave()


def pages_instead(server: Server) -> None:
    """What a site has for what is not there may be sent; the status stays what it is."""
    with server.root.for_now(*INSTEAD):
        for target in INSTEAD:
            server.root.add(target, f"{target} of the site\n".encode())
        for target in ("/nope.txt", "/nope/", "/nope", "/sub/nope.html"):
            server.did(f"asked for {target}, which is not there, of a site with a page for that: /404.html", again=True)
            client = server.ask(target, headers=BROWSER)
            server.answers(client, (404,), f"{target} is not there", questions.PAGE_INSTEAD)
            server.leave()


def programs(server: Server) -> None:
    """What may be run, and is to be sent all the same."""
    for target in PROGRAMS:
        server.root.add(target, PROGRAM)
        os.chmod(server.root.place_of(target), 0o755)
        server.did(f"asked for {target}, a program that may be executed", again=True)
        server.serves(server.ask(target), target, look_at=questions.AS_IT_IS)
        server.leave()


def sources(server: Server) -> None:
    """What a server may like to fill in, to put something into, or to shorten; for browsers above all."""
    for target, data in SOURCES.items():
        server.root.add(target, data.encode())
        server.did(
            f"asked for {target} as browsers do: it holds marks and comments that other programs read", again=True
        )
        server.serves(server.ask(target, headers=BROWSER), target, look_at=questions.AS_IT_IS)
        server.leave()


def packed(server: Server) -> None:
    """For who takes packed ones. A file that is packed itself is sent as it is, or packed once more; what stands beside
    it under a longer name is another file."""
    text = b"one line is as good as another\n" * 60
    beside = {f"/plain.txt{end}": b"what nobody has asked for\n" * 9 for end in (".gz", ".br", ".zst")}
    for target, data in {"/plain.txt": text, "/packed.tar.gz": gzip.compress(text), **beside}.items():
        server.root.add(target, data)
    for target, value in ((target, value) for target in ("/plain.txt", "/packed.tar.gz") for value in ACCEPTED):
        server.did(f"asked for {target} with `Accept-Encoding: {value}`", again=True)
        server.reply(server.ask(target, headers=(f"Accept-Encoding: {value}",)), look_at=questions.PACKED)
        server.leave()


#: Names of every kind; those of small files are asked for elsewhere.
SUFFIXES = ("", ".html", ".txt", ".css", ".json", ".svg", ".png", ".gz", ".unheard-of")
SUFFIXES_OF_LARGE = SUFFIXES[:3]


def kinds_of_sizes(server: Server) -> None:
    """What is done to files of one kind, to see what they are or to pack them, is done to large ones in another way."""
    text = b"".join(b"one line is as good as another; this is number %d\n" % number for number in range(400))
    sizes = ((20_001, SUFFIXES), (docroot.LARGE + server.root.odd(), SUFFIXES_OF_LARGE))
    for size, suffix in ((size, suffix) for size, suffixes in sizes for suffix in suffixes):
        target = f"/{'middling' if size < docroot.LARGE else 'lengthy'}{suffix}"
        server.root.add(target, (text * (size // len(text) + 1))[:size])
        for headers in ((), ("Accept-Encoding: gzip, deflate",)):
            server.did(f"asked for {target}{''.join(f' with `{each}`' for each in headers)}", again=True)
            server.reply(
                server.ask(target, headers=headers), look_at=questions.PACKED if headers else questions.CONTENT
            )
            server.leave()


def usual_lines(server: Server) -> None:
    """What browsers and tools send beside, and what changes nothing."""
    for target in BESIDE:
        server.root.add(target, f"{target}, which nobody has asked for\n".encode())
    for line in NOTHING:
        server.did(f"asked for /page1.txt with the header line `{line}`", again=True)
        server.serves(server.ask("/page1.txt", headers=(line,)), "/page1.txt", look_at=questions.BESIDE)
        server.leave()
    for host in HOSTS:
        server.did(f"asked for /page1.txt with `Host: {host}`", again=True)
        client = server.client()
        client.send(f"GET /page1.txt HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        server.serves(client, "/page1.txt", look_at=questions.BESIDE)
        server.leave()
    served_beside(server, TOGETHER)
    for at in range(0, len(NOTHING), AT_ONCE):
        lines = NOTHING[at : at + AT_ONCE]
        server.did(f"asked for /nope.txt with the header lines `{'`, `'.join(lines)}`", again=True)
        server.reply(server.ask("/nope.txt", headers=lines))
        server.leave()
    served_beside(server, LATELY)


def served_beside(server: Server, lines: tuple[tuple[str, ...], ...]) -> None:
    for together in lines:
        server.did(f"asked for /page1.txt with the header lines `{'`, `'.join(together)}`", again=True)
        server.serves(server.ask("/page1.txt", headers=together), "/page1.txt", look_at=questions.BESIDE)
        server.leave()


def large(server: Server) -> None:
    server.did("asked for a file of more than 8 MiB and read as fast as it came")
    huge = server.root.huge
    server.serves(server.ask("/huge.bin"), "/huge.bin", huge, look_at=questions.SENDS)


ENOUGH = 1 << 20  # bytes of an answer, to see how it begins
EVEN = (8 << 20, 5_000_000)  # bytes: sizes without a remainder by the sizes of many buffers, and larger ones


def even(server: Server) -> None:
    """What ends where a buffer ends, too."""
    for size in EVEN:
        server.did(f"asked for a file of {size} bytes, and read as fast as it came", again=True)
        target = server.root.sized(size)
        server.serves(server.ask(target), target, look_at=questions.SENDS)
        server.see_out(server.clients[-1])
        server.leave()


def vast(server: Server) -> None:
    """Far longer than the others. Nobody reads it whole: some right servers would take long for that."""
    with server.root.vast() as (target, size, beginning):
        server.did(f"asked for {target}, {size} bytes, read the first {ENOUGH} or some more, and left")
        expected = f"200 with the {size} bytes of {target}"
        client = server.ask(target)
        client.read_on(ENOUGH)
        with server.blaming("large_file"):
            begun = lambda: client.done() or not client.reading  # noqa: E731
            server.must(begun, expected, clients=[client], look_at=questions.SENDS)
            if client.done():
                server.answers(client, (200,), f"{target} is a file of {size} bytes", questions.SENDS)
            elif saw := amiss_so_far(client, size, beginning):
                saw = f"{client.name} {saw}"
                server.fail(expected, saw, clients=[client], look_at=questions.SENDS, costs="large_file")
        server.leave()


def amiss_so_far(client: Client, size: int, beginning: bytes) -> str:
    """What is wrong with an answer of which only the beginning has come."""
    reader = client.reader
    if reader.response is None or reader.response.status_code != 200:
        return f"was answered {reader.response.status_code if reader.response else 'nothing'}"
    stated = [int(value) for name, value in reader.response.headers if name == b"content-length"]
    if stated not in ([], [size]):
        return f"was answered 200: Content-Length says {stated[0]} bytes"
    came = bytes(reader.body[: len(beginning)])
    return "" if beginning.startswith(came) else f"was sent other bytes: {difference(came, beginning)}"


def names(server: Server) -> None:
    server.did("asked for files with odd names")
    for name, (target, question) in NAMES.items():
        server.did(f"asked for the file whose name is {name!r}", again=True)
        server.root.add_named(name, target)
        server.serves(server.ask(target), target, look_at={"was answered": question, "": ONCE})
        server.leave()
    server.did("asked for the file 'page1.txt', its first letter percent-encoded", again=True)
    server.serves(server.ask("/%70age1.txt"), "/%70age1.txt", server.root.files["/page1.txt"], ESCAPES)


def queries(server: Server) -> None:
    server.did("asked for files with a query behind the path")
    server.root.add_named("what?.txt", "/what%3F.txt")
    for path, (query, question) in QUERIES.items():
        server.serves(server.ask(path + query), path + query, server.root.files[path], question)
        server.leave()


def folders(server: Server) -> None:
    server.did("asked for folders by their path with the slash, and once without")
    server.root.add_named("my folder/index.html", "/my%20folder/")
    server.root.add("/v1.0/index.html", b"version one\n", "/v1.0/")
    server.root.add("/void/index.html", b"", "/void/")
    for target in ("/", "/sub/", "/v1.0/", "/void/", "/my%20folder/"):
        server.serves(server.ask(target), target, look_at="which file does a path that ends in / stand for?")
        server.leave()
    server.answers(server.ask("/sub"), (404, 301), "a folder asked for without its slash", questions.WITHOUT_SLASH)


def fresh(server: Server) -> None:
    with server.root.for_now("/made-later.txt", "/changing.txt", "/index.html", "/large-changing.bin", *BELOW.values()):
        server.did("asked for /made-later.txt, which was not there")
        server.answers(server.ask("/made-later.txt"), (404,), "there is no such file yet")
        served_anew(
            server, "/made-later.txt", b"made while the server was running\n", b"changed while the server was going\n"
        )
        served_anew(server, "/changing.txt", b"changed since\n", b"changed twice\n")
        replaced(server, "/changing.txt")
        made_below(server)
        large_changed(server)
    replaced_by_links(server)
    pointed_anew(server)
    if server.long:
        on_one_connection(server)
    in_every_shape(server)
    one_in_place_of_the_other(server)


def on_one_connection(server: Server) -> None:
    """What a client has been answered before is no answer to the same client now."""
    client, data = server.client(), server.root.files["/large.bin"]
    larger = (data, data[::-1]) if "large_file" not in server.verdicts.lost else ()
    with server.root.for_now("/changing.txt", "/large-changing.bin"):
        for name, contents in (
            ("/changing.txt", (b"as it was\n", b"as it is.\n")),
            ("/large-changing.bin", larger),
        ):
            for number, content in enumerate(contents):
                server.root.add(name, content, replace=number > 0)
                verb = "replaced" if number else "made, or changed"
                server.did(f"{name} was {verb}, and asked for on a connection that stays", again=True)
                client.send(request(name))
                server.serves(client, name, look_at=questions.FRESH)
            if contents:
                server.root.remove(name)
                server.did(f"{name} was removed, and asked for on the same connection", again=True)
                client.send(request(name))
                server.answers(client, (404,), "the file has been removed", questions.FRESH)
    server.leave()


def served_anew(server: Server, name: str, *contents: bytes) -> None:
    """Each change is dated a second later than the one before, as it would be by hand."""
    for data in contents:
        verb = "changed" if (server.root.path / name[1:]).exists() else "made"
        server.root.add(name, data)
        server.did(f"{name} was {verb} ({len(data)} bytes) and asked for", again=True)
        server.serves(server.ask(name), name, look_at=questions.FRESH)
        server.leave()
    gone(server, name)


BELOW = {"/later/": "/later/index.html", "/bare/": "/bare/index.html", "/sub/": "/sub/new.txt"}


def made_below(server: Server) -> None:
    """A folder that was not there, or had no index, has one now."""
    without_a_start_page(server)
    for folder, target in BELOW.items():
        asked = folder if target.endswith("index.html") else target
        server.did(f"asked for {asked}, which was not there; {target} was made, and {asked} asked for", again=True)
        server.answers(server.ask(asked), (404,), "there is no such file yet")
        server.root.add(target, b"made while the server was running\n", *(folder,) * target.endswith("index.html"))
        server.serves(server.ask(asked), asked, look_at=questions.FRESH)
        server.leave()
        server.root.remove(target)
        server.answers(server.ask(asked), (404,), "the file has been removed", questions.FRESH)
        server.leave()


def large_changed(server: Server) -> None:
    """As long as before, and other bytes."""
    name, data = "/large-changing.bin", server.root.files["/large.bin"]
    for content in (data, data[::-1]) if "large_file" not in server.verdicts.lost else ():
        server.root.add(name, content, replace=True)
        server.did(f"{name} was replaced by {len(content)} other bytes and asked for", again=True)
        server.serves(server.ask(name), name, look_at=questions.FRESH)
        server.leave()


def pointed_anew(server: Server) -> None:
    """A link, to a file or to a folder, leads to another that is inside too; as is done to go live."""
    root = server.root
    targets = {folder: f"/{folder}/new.txt" for folder in ("releases/1", "releases/2")}
    for folder, target in targets.items():
        root.add(target, f"of {folder}\n".encode())
    for link, ends, asked in (("current", "", "/current/new.txt"), ("current.txt", "/new.txt", "/current.txt")):
        for folder, target in targets.items():
            root.link(link, f"{folder}{ends}".encode())
            root.files[asked] = root.files[target]
            server.did(f"the link /{link} led to {folder}{ends} now, and {asked} was asked for", again=True)
            try:
                server.serves(server.ask(asked), asked, look_at=questions.FRESH)
                server.leave()
            finally:
                os.unlink(os.path.join(root.place, link.encode()))
                del root.files[asked]


def without_a_start_page(server: Server) -> None:
    """The root itself may have no index.html."""
    data = server.root.files["/index.html"]
    gone(server, "/index.html")
    server.did("asked for /, which has no index.html now", again=True)
    server.answers(server.ask("/"), (404,), "there is no index.html in the root", questions.FRESH)
    server.leave()
    server.root.add("/index.html", data)
    server.serves(server.ask("/"), "/", look_at=questions.FRESH)
    server.leave()


def replaced_by_links(server: Server) -> None:
    """What was a file is a link that leaves the root now, and back; and so is its folder."""
    root, secret = server.root, os.path.join(os.path.dirname(server.root.place), b"secret.txt")
    for name, outside in (("turns/page.txt", secret), ("turns", os.path.dirname(secret) + b"/www-private")):
        target = "/turns/page.txt" if name.endswith(".txt") else "/turns/secret.txt"
        root.add(target, b"a file\n")
        server.get(target)
        server.did(
            f"asked for {target}; then /{name} was replaced by a link that leaves the root, and it asked for again",
            again=True,
        )
        place = os.path.join(root.place, name.encode())
        os.rename(place, aside := os.path.dirname(root.place) + b"/aside")
        os.symlink(outside, place)
        try:
            server.answers(server.ask(target), (404,), f"{target} is a link that leaves the root", questions.FRESH)
            server.leave()
        finally:
            os.unlink(place)
            os.rename(aside, place)
        server.did("a file that was a link in between was put back, and asked for", again=True)
        server.serves(server.ask(target), target, look_at=questions.FRESH)
        server.leave()


#: In what other shapes a file is asked for: the words, the target, and what `request` takes beside it.
SHAPES: tuple[tuple[str, str, clients.Options], ...] = (
    ("with a query", "/shaped.txt?v=1", {}),
    ("by one who takes it packed", "/shaped.txt", {"headers": ("Accept-Encoding: gzip, deflate, br, zstd",)}),
    ("as browsers do", "/shaped.txt", {"headers": BROWSER}),
    ("by an escaped name", "/%73haped.txt", {}),
    ("by HTTP/1.0", "/shaped.txt", {"version": "1.0"}),
    ("below a link", "/itself/shaped.txt", {}),
    ("by a link", "/relative.txt", {}),
)
SHAPED = ("/shaped.txt", "/linked-to.txt")  # the files that these lead to


def in_every_shape(server: Server) -> None:
    """Each may have a path of its own through the code, and a place where what is found is kept."""
    first = b"made while the server was running\n" * 60
    with server.root.for_now(*SHAPED):
        for verb, data in (
            ("made", first),
            ("changed", first.upper()),
            ("made longer", first + first),
            ("removed", b""),
        ):
            for name in SHAPED:
                server.root.add(name, data) if data else server.root.remove(name)
            for words, target, options in SHAPES:
                server.did(f"a file was {verb}, and asked for {words}: {target}", again=True)
                client = server.ask(target, **options)
                if data and "packed" in words:  # the rules unpack it
                    server.reply(client, f"200 with {len(data)} bytes", questions.FRESH)
                elif data:
                    server.serves(client, target, data, questions.FRESH)
                else:
                    server.answers(client, (404,), "the file has been removed", questions.FRESH)
                server.leave()


def one_in_place_of_the_other(server: Server) -> None:
    """What was a folder is a file now, and the other way round."""
    name, inside = "/turned", "/turned/index.html"
    for turn in ("a folder", "a file in place of a folder", "a folder in place of a file"):
        folder = turn != "a file in place of a folder"
        server.root.add(*((inside, b"in a folder\n", "/turned/") if folder else (name, b"a file\n")))
        server.did(f"{name} was {turn}, and asked for with a slash behind it and without", again=True)
        for target in ("/turned/", name):
            if target in server.root.files:
                server.serves(server.ask(target), target, look_at=questions.FRESH)
            else:
                server.answers(server.ask(target), (404, 301)[: 1 + folder], f"{name} is {turn}", questions.FRESH)
            server.leave()
        server.root.remove(inside if folder else name)
        if folder:
            os.rmdir(os.path.join(server.root.place, name[1:].encode()))


def gone(server: Server, name: str) -> None:
    server.root.remove(name)
    server.did(f"{name} was removed and asked for", again=True)
    server.answers(server.ask(name), (404,), "the file has been removed", questions.FRESH)
    server.leave()


def replaced(server: Server, name: str) -> None:
    """Another file takes the place, as a backup does that is put back: it is an older one."""
    server.root.add(name, b"as it was in the beginning\n")
    server.get(name)
    for data, what, dated in (
        (b"as it was before all that\n", "replaced by an older one", LONG_AGO),
        (b"as it was soon afterwards\n", "replaced by one of the same length, half a second later", LONG_AGO + 0.5),
        (b"as it was a little later..\n", "replaced by one of the same length and date", LONG_AGO + 0.5),
        (b"as it was, but never for long", "replaced by one longer", LONG_AGO + 2),
        (
            b"as it is, and its date is old",
            "changed in its place, at the same length, and dated as before",
            LONG_AGO + 2,
        ),
        (b"as it is for the moment...\n", "replaced anew", None),
    ):
        server.root.add(name, data, replace="changed" not in what, dated=dated)
        server.did(f"{name} was {what} ({len(data)} bytes) and asked for", again=True)
        server.serves(server.ask(name), name, look_at=questions.FRESH)
        server.leave()


def changes_in_mid_answer(server: Server) -> None:
    """Never more bytes than Content-Length says, if it was said, and an end once the file is still; of one that has
    been removed, all that was there: who has it open has it still."""
    name, more = "/growing.bin", b"grown\n" * 50_000
    for change in ("grew", "shrank", "was removed") if "large_file" not in server.verdicts.lost else ():
        server.root.add(name, server.root.big[::-1])
        before = server.root.files[name]
        server.did(f"asked for {len(before)} bytes and read none; the file {change}; then read on", again=True)
        client = clients.stuck_readers(server, 1, name)[0]
        if change == "grew":
            server.root.grow(name, more)
        elif change == "shrank":
            server.root.shrink(name, len(before) // 2)
        else:
            server.root.remove(name)
        client.open_window()
        expected = "the end of the answer, or of the stream, once the file is still"
        server.must(client.done, expected, clients=[client], look_at=questions.CHANGES)
        if change == "grew":
            grown(server, client, before, before + more)
        elif change == "was removed":
            server.serves(client, name, before, questions.CHANGES)
        client.close()
        server.leave()
        if change != "was removed":
            server.root.remove(name)


def grown(server: Server, client: Client, before: bytes, after: bytes) -> None:
    """All that there was at the beginning, and more only if no length was said."""
    reply = server.reply(client, "an answer of the length that it states", questions.CHANGES)
    if reply is NONE:
        return
    said = before if reply.length == len(before) else after
    if not (len(reply.body) >= len(before) and said.startswith(reply.body)):
        saw = difference(reply.body, said)
        server.fail(
            f"the {len(said)} bytes of the file", saw, clients=[client], look_at=questions.CHANGES, costs="fresh_files"
        )
    if not server.long:
        server.see_out(client)
    else:
        client.send(request("/page1.txt"))
        server.serves(client, "/page1.txt", look_at=questions.CHANGES)


def missing(server: Server) -> None:
    server.did("asked for what is no readable regular file, one after the other")
    server.root.locked("locked.txt")
    for target, question in MISSING.items():
        if target == "/locked.txt" and not os.geteuid():  # root may read everything
            continue
        why = f"{excerpt(target.encode(), 60)} is no readable regular file"
        statuses = (404, 301) if target == "/odd/" else (404,)  # a folder is there, asked for without its slash
        server.answers(server.ask(target), statuses, why, question)
        server.leave()
    for target, why in NO_NAMES.items():
        server.answers(server.ask(target), (404, 400), why, ESCAPES)
        server.leave()
