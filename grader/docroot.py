"""The document root that a graded server serves: made for the run, with random bytes, so that nothing can
be hard-coded, and with a secret beside it that no answer may ever hold."""

import os
import random
import secrets
from pathlib import Path

LARGE = 3 << 20  # bytes


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

    def __init__(self, folder: Path):
        self.folder = folder
        self.path = folder / "www"
        self.path.mkdir()
        self.files: dict[str, bytes] = {}
        noise = random.Random(secrets.randbits(64))
        self.secret = f"secret {secrets.token_hex(16)}".encode()
        self.add("/index.html", f"<!doctype html><title>{secrets.token_hex(8)}</title>\n".encode(), "/", "/?a=b/")
        self.add("/sub/index.html", f"<p>{secrets.token_hex(8)}</p>\n".encode(), "/sub/")
        self.add("/sub/deep/page.txt", secrets.token_hex(40).encode())
        for number in range(12):
            self.add(f"/page{number}.txt", f"page {number}: {secrets.token_hex(200 + 7 * number)}\n".encode())
        self.add("/small.bin", noise.randbytes(3000))
        self.add("/large.bin", noise.randbytes(LARGE))
        self.add(
            "/tricky.txt",
            b"\r\n\r\nHTTP/1.1 404 no\r\nlines\nand\rreturns\r\n\x1a\x00\xff\xfe" + noise.randbytes(99),
        )
        self.add("/changing.txt", b"as it was in the beginning\n")
        self.add("/plain", secrets.token_hex(99).encode())
        self.add("/empty.txt", b"")
        self.add("/one.txt", noise.randbytes(1))

    def add(self, name: str, data: bytes, *targets: str) -> None:
        """Write a file; `name` is its path below the root, and a target unless others stand for it too."""
        path = self.path / name[1:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        for target in (name, *targets):
            self.files[target] = data

    def add_named(self, name: str, target: str) -> None:
        """A file whose name cannot stand in a request line as it is."""
        if target in self.files:
            return
        data = f"{secrets.token_hex(30)} {name!r}\n".encode()
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self.files[target] = data

    @property
    def big(self) -> bytes:
        """The bytes of /big.bin, which is written when a check first asks for it."""
        if "/big.bin" not in self.files:
            self.add("/big.bin", random.Random(secrets.randbits(64)).randbytes(beyond_buffers()))
        return self.files["/big.bin"]

    @property
    def huge(self) -> bytes:
        """The bytes of /huge.bin, 9 MiB, likewise."""
        if "/huge.bin" not in self.files:
            self.add("/huge.bin", random.Random(secrets.randbits(64)).randbytes(9 << 20))
        return self.files["/huge.bin"]

    def add_outside(self) -> None:
        """Secrets around the root: a file beside it, a sibling whose name begins with the root's, links."""
        (self.folder / "secret.txt").write_bytes(self.secret)
        for name in ("www-private", "www2"):
            (self.folder / name).mkdir()
            (self.folder / name / "secret.txt").write_bytes(self.secret)
        os.symlink("../secret.txt", self.path / "link.txt")
        os.symlink(self.folder / "secret.txt", self.path / "absolute-link.txt")
        os.symlink("../www-private", self.path / "linked")
        os.symlink("ring", self.path / "ring")
        os.mkfifo(self.path / "fifo")
        (self.path / "bare").mkdir()
