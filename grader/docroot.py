"""The document root that a graded server serves: made for the run, with random bytes, so that nothing can
be hard-coded, and with secrets beside it that no answer may ever hold.

Names on the disk are bytes, UTF-8 whatever the locale: a target is bytes too, and says UTF-8.
"""

import functools
import os
import random
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote_to_bytes

from grader import places
from grader.held import History
from grader.wanted import INDEX, Wanted, judge, walk, within

LARGE = 3 << 20  # bytes, and some more
HUGE = 17 << 20  # likewise
VAST = 65 << 20  # likewise; of this one nobody asks for more than the beginning
#: What a server may take for text, and names without a type.
EXTENSIONS = (".html", ".css", ".js", ".json", ".svg", ".png", ".txt", "")
#: What a server may want to unpack, run or translate first.
KINDS = (
    *(".gz", ".tar.gz", ".tgz", ".svgz", ".br", ".bz2", ".xz", ".Z", ".zip", ".md", ".csv", ".xml", ".xhtml", ".htm"),
    *(".php", ".py", ".pyc", ".cgi", ".sh", ".shtml", ".pdf", ".wasm", ".mjs", ".ico", ".woff2", ".mp4", ".log", ".en"),
    *(".bak", ".tmp", ".conf", ".ini", ".env", ".TXT", ".unheard-of", "."),
)
#: Files that are none (`/bytes.html`), and that one who reads and writes them as text would change (`/text.html`).
NO_TEXT = tuple(f"/{kind}{extension}" for kind in ("bytes", "text") for extension in EXTENSIONS)
#: Modes of files that their owner may read, and targets.
MODES = {0o600: "/mine.txt", 0o400: "/mine-to-read.txt", 0o755: "/executable.txt", 0o666: "/everybodys.txt"}
#: Sizes at and beside the powers of two that buffers have.
SIZES = tuple(n + by for n in (4096, 8192, 16384, 32768, 65536, 131072, 1 << 20) for by in (-1, 0, 1))
#: Targets that links lead to, and none of them out of the root.
INSIDE_LINKS = (
    "/relative.txt",
    "/absolute.txt",
    "/link-to-link.txt",
    "/shortcut/deep/page.txt",
    "/shortcut/",
    "/shortcut/deep/up.txt",
    "/hall/",
    "/itself/page1.txt",
    "/itself/sub/",
    *(f"/near-{number}.txt" for number in (4, 9, 30)),
)
#: Targets that links lead to, out of the root.
OUTSIDE_LINKS = (
    "/link.txt",
    "/absolute-link.txt",
    "/cousin.txt",
    "/linked/secret.txt",
    "/linked/",
    "/second-link.txt",
    "/third-link.txt",
    "/linked-again/secret.txt",
    "/sub/away/secret.txt",
    "/shortcut/away/secret.txt",
    "/porch/",
    "/porch/index.html",
    "/dangling.txt",
    *(f"/far-{number}.txt" for number in (4, 5, 9, 20, 38)),
)


def beyond_buffers() -> int:
    """Bytes that no kernel takes for one connection while its client reads nothing: tcp(7), tcp_wmem[2]."""
    try:
        most = int(Path("/proc/sys/net/ipv4/tcp_wmem").read_text().split()[2])
    except OSError:
        most = 4 << 20
    return min(most, 32 << 20) + (1 << 20)


class DocumentRoot:
    """A folder `www` with files of every kind, and what lies outside of it. `files`: target -> bytes.

    Keys of `files` are targets as a client writes them in the request line.
    """

    def __init__(self, folder: Path, seed: int | None = None):
        """seed: the same bytes each time; if not given, nobody can guess them."""
        self.folder = folder
        self.path = folder / "www"
        self.path.mkdir()
        self.place = os.path.realpath(os.fsencode(self.path))
        self.files: dict[str, bytes] = {}
        self.targets: dict[bytes, dict[str, None]] = {}  # place -> the targets in `files` that stand for it
        self.stock: frozenset[bytes] = frozenset()  # the places that were there before any check began
        self.history = History()
        self.noise = random.Random(secrets.randbits(64) if seed is None else seed)
        self.token = secrets.token_hex if seed is None else lambda size: self.noise.randbytes(size).hex()
        self.secret = f"secret {self.token(16)}".encode()
        self.secrets: list[bytes] = []
        self.vasts: dict[str, int] = {}  # targets -> sizes, of all that there have been
        self.sizes = (*SIZES, (2 << 20) + self.odd())
        self.add("/index.html", f"<!doctype html><title>{self.token(8)}</title>\n".encode(), "/", "/?a=b/")
        self.add("/sub/index.html", f"<p>{self.token(8)}</p>\n".encode(), "/sub/")
        self.add("/sub/deep/page.txt", self.token(40).encode())
        for number in range(12):
            self.add(f"/page{number}.txt", f"page {number}: {self.token(200 + 7 * number)}\n".encode())
        self.add("/small.bin", self.noise.randbytes(3000))
        self.add("/large.bin", self.noise.randbytes(LARGE + self.odd()))
        self.add(
            "/tricky.txt",
            b"\r\n\r\nHTTP/1.1 404 no\r\nlines\nand\rreturns\r\n\x1a\x00\xff\xfe" + self.noise.randbytes(99),
        )
        self.add("/changing.txt", b"as it was in the beginning\n")
        self.add("/plain", self.token(99).encode())
        self.add("/empty.txt", b"")
        self.add("/one.txt", self.noise.randbytes(1))
        self.add("/hundred.bin", self.noise.randbytes(100_003))
        self.add("/hundred.txt", b"one line is as good as another\n" * 3301)
        for target in NO_TEXT:
            self.add(target, self.no_text(target))
        for number, kind in enumerate(KINDS):
            self.add(f"/kinds/kind{kind}", b"# *%d*\n" % number + self.noise.randbytes(99))
        for mode, target in MODES.items():
            self.add(target, b"%o\n" % mode)
            os.chmod(self.place_of(target), mode)
        self.add_inside()
        self.history.served = True

    def odd(self) -> int:
        """How much longer a file is than so many MiB: no block, buffer or round number ends where it ends."""
        return self.noise.randrange(1, 1 << 15) * 2 + 1

    def no_text(self, target: str) -> bytes:
        """A byte order mark, ends of line of every kind, NUL, Ctrl-Z, and characters of several bytes."""
        text = f"\ufeff{target} {self.noise.randbytes(9).hex()}\r\nCRLF\r\rCR\n\nLF\n\r\0NUL\x1aCtrl-Z\x0b\x0c\x85"
        data = f"{text} año 中文 \N{GRINNING FACE} \u2028e\u0301 \t \r\n \r".encode()
        if target.startswith("/bytes"):
            data += b"\xff\xfe\x80\xed\xa0\x80\xc0\xaf" + self.noise.randbytes(999) + b"\r"
        return data

    def add_inside(self) -> None:
        """Links that stay inside; what they lead to is much longer than they are."""
        self.add("/linked-to.txt", f"{self.token(2500)}\n".encode())
        for name, leads_to in (
            ("relative.txt", "linked-to.txt"),
            ("absolute.txt", os.fsdecode(self.place) + "/linked-to.txt"),
            ("link-to-link.txt", "relative.txt"),
            ("shortcut", "sub"),
            ("itself", "."),
            ("near-0.txt", "linked-to.txt"),
            *((f"near-{number + 1}.txt", f"near-{number}.txt") for number in range(30)),
            ("sub/deep/up.txt", "../../linked-to.txt"),
            ("hall/index.html", "../linked-to.txt"),
        ):
            self.link(name, os.fsencode(leads_to))
        for target in INSIDE_LINKS:
            place = self.place_of(target.encode() + INDEX * target.endswith("/"))
            self.targets[place][target] = None
            self.files[target] = self.files[next(iter(self.targets[place]))]

    def add_outside(self) -> None:
        """Secrets around the root: a file beside it, a sibling whose name begins with the root's, links."""
        for name in (
            "secret.txt",
            "www-private/secret.txt",
            "www-private/index.html",
            "www2/secret.txt",
            "porch.html",
        ):
            self.secrets.append(self.token(16).encode())
            path = self.folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"%s %s\n" % (self.secret, self.secrets[-1]))
        beside = os.path.dirname(self.place)
        for name, leads_to in (
            ("link.txt", b"../secret.txt"),
            ("absolute-link.txt", beside + b"/secret.txt"),
            ("cousin.txt", beside + b"/www-private/secret.txt"),
            ("linked", b"../www-private"),
            ("second-link.txt", b"link.txt"),
            ("third-link.txt", self.place + b"/second-link.txt"),
            ("linked-again", b"linked"),
            ("sub/away", b"../../www2"),
            ("porch/index.html", b"../../porch.html"),
            ("dangling.txt", b"../nothing.txt"),
            ("far-0.txt", b"../secret.txt"),
            *((f"far-{number + 1}.txt", b"far-%d.txt" % number) for number in range(38)),
            ("ring", b"ring"),
        ):
            self.link(name, leads_to)
        os.mkfifo(self.path / "fifo")
        (self.path / "bare").mkdir()
        (self.path / "odd" / "index.html").mkdir(parents=True)
        (self.path / "old").mkdir()
        for name in ("index.htm", "default.html", "index.php", "Index.html"):
            (self.path / "old" / name).write_bytes(b"no index.html\n")
        (self.path / "pipes").mkdir()
        os.mkfifo(self.path / "pipes" / "index.html")
        os.mknod(self.path / "socket", stat.S_IFSOCK | 0o600)
        self.stock = frozenset(self.targets)

    def link(self, name: str, leads_to: bytes) -> None:
        place = os.path.join(self.place, name.encode())
        os.makedirs(os.path.dirname(place), exist_ok=True)
        os.symlink(leads_to, place)

    # Written when a check first asks for it

    def add_named(self, name: str | bytes, target: str) -> None:
        """A file whose name cannot stand in a request line as it is. Spelled in another way it is the same file."""
        place = self.place_of(name)
        spellings = self.targets.setdefault(place, {})
        known = next((other for other in spellings if other in self.files), "")
        if not known:
            data = f"{self.token(30)} {name!r}\n".encode()
            self.add(name if isinstance(name, bytes) else name.encode(), data, target)
        elif target not in spellings:
            spellings[target] = None
            self.files[target] = self.files[known]

    def sized(self, size: int) -> str:
        """The target of a file of so many bytes."""
        target = f"/sized/{size}.bin"
        if target not in self.files:
            self.add(target, self.noise.randbytes(size))
        return target

    @property
    def big(self) -> bytes:
        """The bytes of /big.bin: more than all buffers hold."""
        if "/big.bin" not in self.files:
            self.add("/big.bin", self.noise.randbytes(beyond_buffers() + self.odd()))
        return self.files["/big.bin"]

    @property
    def huge(self) -> bytes:
        """The bytes of /huge.bin: more than 8 MiB, whatever the buffers hold."""
        if "/huge.bin" not in self.files:
            self.add("/huge.bin", self.noise.randbytes(HUGE + self.odd()))
        return self.files["/huge.bin"]

    @contextmanager
    def vast(self) -> Iterator[tuple[str, int, bytes]]:
        """The target of a file that has next to no blocks on the disk, its size, and its beginning; for now."""
        beginning, size = self.noise.randbytes(1 << 16), VAST + self.odd()
        target = f"/vast-{len(self.vasts) + 1}.bin"  # each has another name: none of them changes
        self.vasts[target] = size
        place = self.place_of(target)
        places.ours(place, functools.partial(places.sparse, place, beginning, size))
        try:
            yield target, size, beginning
        finally:
            places.ours(place, functools.partial(places.remove, place))

    @property
    def longest(self) -> str:
        """The target of the longest file that there is: no kernel takes all of it for one connection, either."""
        return max(("/big.bin", self.big), ("/huge.bin", self.huge), key=lambda pair: len(pair[1]))[0]

    def fill(self) -> None:
        """Write all that has a size, at once."""
        for size in SIZES:
            self.sized(size)
        assert self.big and self.huge  # written when they are asked for

    def always_has(self, target: str) -> bool:
        """Whether the site that is filled has this file too, and not only one to which a check has added it."""
        sized = {f"sized/{size}.bin" for size in SIZES}
        name = self.file_of(target)
        return name in {"big.bin", "huge.bin", *sized} or os.path.join(self.place, name.encode()) in self.stock

    def file_of(self, target: str) -> str:
        """The path, below the root, of the file of the site that a target stands for; "" if there is none."""
        path = unquote_to_bytes(target.partition("?")[0].encode("latin-1"))
        try:
            place = self.place_of(path + INDEX * path.endswith(b"/"))
            name = os.path.relpath(place, self.place).decode()
        except (ValueError, OSError):
            return ""
        return name if place in self.targets and within(self.place, place) and os.path.isfile(place) else ""

    def twin(self) -> Path:
        """Another folder with some of the files, the same to the byte, and a name that is to be left as it is."""
        folder = self.folder / os.fsdecode(b"%41 a+b \xc3\xb1")
        for name in (b"/index.html", b"/page1.txt", b"/sub/deep/page.txt"):
            target = os.path.join(os.path.dirname(self.place), os.fsencode(folder.name)) + name
            places.ours(target, functools.partial(places.link, self.place + name, target))
        return folder

    def locked(self, name: str) -> None:
        """A file that nobody may read but root."""
        place = os.path.join(self.place, name.encode())

        def how() -> None:
            if os.path.lexists(place):
                places.remove(place)
            with places.opened(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as file:
                os.write(file, b"nobody may read this\n")
                os.fchmod(file, 0)

        places.ours(place, how)

    # What changes

    def place_of(self, name: str | bytes) -> bytes:
        """The real path of a file by its name below the root, be the file there or not."""
        return walk(self.place, name if isinstance(name, bytes) else name.encode()).place

    def add(
        self, name: str | bytes, data: bytes, *targets: str, replace: bool = False, dated: float | None = None
    ) -> None:
        """Write a file; `name` is its path below the root, and a target unless others stand for it too.

        A file that is there already is changed where it is: one that only grows or shrinks keeps the rest
        meanwhile. replace: another takes its place, all at once. dated: its st_mtime; if not given, a change
        is at least a second later than what was before, as it would be by hand.
        """
        place = self.place_of(name)
        if not within(self.place, place):
            raise places.Tampered(f"the server has changed the site: {name!a} leads out of it")
        aside = os.path.join(os.path.dirname(self.place), b"new") if replace else b""
        self.history.write(place, data, aside, dated)
        own = (name,) if isinstance(name, str) else ()
        self.targets.setdefault(place, {}).update(dict.fromkeys(own + targets))
        self.files.update(dict.fromkeys(self.targets[place], data))

    def remove(self, name: str | bytes) -> None:
        """Unlink a file that is there."""
        place = self.place_of(name)
        self.history.remove(place)
        for target in self.targets.get(place, ()):
            self.files.pop(target, None)

    @contextmanager
    def for_now(self, *names: str) -> Iterator[None]:
        """Files that are made, changed and removed meanwhile are as before when a scene ends, however it ends."""
        before = {name: self.files.get(name) for name in names}
        try:
            yield
        finally:
            for name, data in before.items():
                if data is None and name in self.files:
                    self.remove(name)
                elif data is not None and self.files.get(name) != data:
                    self.add(name, data)

    def grow(self, name: str, more: bytes) -> None:
        self.add(name, self.files[name] + more)

    def shrink(self, name: str, size: int) -> None:
        self.add(name, self.files[name][:size])

    # What may be answered

    def wanted(self, target: bytes, since: float = 0.0) -> Wanted:
        """What a request for this target, sent at that time.monotonic(), may be answered. 0: at any time."""
        return judge(self.place, target, self.history.held, since)

    def leaks(self, data: bytes) -> bool:
        """Whether these bytes hold something of a file outside of the root."""
        return self.secret in data or any(secret in data for secret in self.secrets)

    def holds(self, data: bytes) -> bool:
        """Whether a file of the site has exactly these bytes."""
        return any(data == known for known in self.files.values())
