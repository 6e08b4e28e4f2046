"""A submission in an archive. Nothing is unpacked but what is graded, and that by us, a file at a time.

Whatever the archive says of itself is held against limits: what is read of it at once, how many members it has, what
comes out of it. Links and devices in it are named and never made.
"""

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from typing import IO, Any

from grader.finding import CannotGrade
from grader.intake.tree import (
    FILE,
    FOLDER,
    HARD_LINK,
    LINK,
    MOST_ENTRIES,
    ODD,
    LeftOut,
    Parts,
    is_junk,
    parts_of,
    shown,
)

MOST_AT_ONCE = 4 << 20  # bytes: the list of contents of a zip, a long name of a tar
MOST_UNPACKED = 256 << 20  # bytes of a tar, in a temporary file that has no name
MOST_WINDOW = 128 << 20  # bytes that an xz may want for its dictionary
CHUNK = 1 << 16


class Bounded(io.BufferedReader):
    """A file of which nobody reads more at once than is good: the numbers that say how much are the archive's own."""

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size if size is not None and 0 <= size <= MOST_AT_ONCE else MOST_AT_ONCE + 1)
        if len(found) > MOST_AT_ONCE:
            raise ValueError("it wants too much to be read at once")
        return found


class Archive:
    """Members by their places; `unpack` reads one."""

    def __init__(self, name: str, close: Callable[[], None]):
        self.name = name
        self.close = close
        self.folders: dict[Parts, dict[str, str]] = {(): {}}
        self.unpack: dict[Parts, Callable[[], IO[bytes]]] = {}
        self.count = 0

    def add(self, name: str, kind: str, unpack: Callable[[], IO[bytes]]) -> None:
        """Take a member to the list. Raises CannotGrade for a place that is none, or that is taken."""
        self.count += 1
        if self.count > MOST_ENTRIES:
            raise CannotGrade(f"{self.name} holds more than {MOST_ENTRIES} files; pack server.py and what it imports")
        parts = parts_of(name, self.name)
        if not parts or any(map(is_junk, parts)):
            return
        for depth in range(1, len(parts)):
            self.place(parts[:depth], FOLDER)
        self.place(parts, kind)
        self.unpack[parts] = unpack

    def place(self, parts: Parts, kind: str) -> None:
        beside = self.folders[parts[:-1]]
        known = beside.setdefault(parts[-1], kind)
        if known != kind or (kind != FOLDER and parts in self.unpack):
            raise CannotGrade(f"{self.name} holds {shown(parts)!r} twice; pack it anew")
        if kind == FOLDER:
            self.folders.setdefault(parts, {})

    def names(self, folder: Parts) -> dict[str, str]:
        return self.folders[folder]

    def read(self, file: Parts, most: int) -> bytes:
        if self.folders[file[:-1]][file[-1]] != FILE:
            raise LeftOut(self.folders[file[:-1]][file[-1]])
        with damaged(self.name), self.unpack[file]() as stream:
            found = bytearray()
            while len(found) <= most and (chunk := stream.read(min(CHUNK, most + 1 - len(found)))):
                found += chunk
            return bytes(found)


class damaged:
    """Whatever the reader of an archive falls over is the archive's: one line, no traceback."""

    def __init__(self, name: str):
        self.name = name

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, (CannotGrade, LeftOut)):
            said = str(error)[:100] or type(error).__name__
            raise CannotGrade(f"{self.name} is damaged or cut short ({said}); pack it anew") from None


def opened(file: IO[bytes], name: str) -> Archive:
    """An archive of a kind that its first bytes tell. Raises CannotGrade."""
    head = file.read(512)
    file.seek(0)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return of_zip(file, name)
    for magic, program in ((b"7z\xbc\xaf\x27\x1c", "7z"), (b"Rar!", "rar")):
        if head.startswith(magic):
            raise CannotGrade(f"{name} is a {program} archive; pack it as .zip or .tar.gz")
    for magic, unpacked in UNPACKED.items():
        if head.startswith(magic):
            with damaged(name):
                return of_tar(kept(unpacked(file), name), name)
    if head[257:262] == b"ustar":
        return of_tar(kept(iter(lambda: file.read(CHUNK), b""), name), name)
    raise CannotGrade(f"{name} is no folder, and no .zip or .tar that can be read; hand in one of these")


def of_zip(file: IO[bytes], name: str) -> Archive:
    with damaged(name):
        reader: Any = Bounded(file)  # type: ignore[arg-type]
        packed = zipfile.ZipFile(reader)
        found = Archive(name, file.close)
        for member in packed.infolist():
            if member.flag_bits & 0x2041:  # encrypted, strongly, or its list of contents
                raise CannotGrade(f"{name} is encrypted; pack it without a password")
            if member.compress_type not in (
                zipfile.ZIP_STORED,
                zipfile.ZIP_DEFLATED,
            ):  # others have no limit
                raise CannotGrade(f"{name} is packed by a method that is not read here; pack it as an ordinary .zip")
            text = name_in_zip(member).replace("\\", "/")  # some on Windows write them so
            found.add(text, kind_in_zip(member, text), lambda member=member: packed.open(member))  # type: ignore[misc]
    return found


def name_in_zip(member: zipfile.ZipInfo) -> str:
    """Without its flag the name is cp437 by the book (APPNOTE 4.4.4), and in practice often UTF-8 all the same."""
    if not member.flag_bits & 0x800:
        try:
            return member.filename.encode("cp437").decode("utf-8")
        except UnicodeError:
            pass
    return member.filename


def kind_in_zip(member: zipfile.ZipInfo, name: str) -> str:
    mode = stat.S_IFMT(member.external_attr >> 16)  # that of Unix, if it was packed there
    if mode == stat.S_IFLNK:
        return LINK
    if name.endswith("/") or mode == stat.S_IFDIR:
        return FOLDER
    return FILE if mode in (0, stat.S_IFREG) else ODD


def of_tar(file: IO[bytes], name: str) -> Archive:
    with damaged(name):
        reader: Any = Bounded(file)  # type: ignore[arg-type]
        packed = tarfile.open(fileobj=reader, mode="r:", encoding="utf-8", errors="surrogateescape")  # noqa: SIM115
        found = Archive(name, file.close)
        for member in packed:
            if member.size < 0:
                raise ValueError("a negative size")
            text = member.name.replace("\0", "/\0")  # which no file can have
            found.add(text, kind_in_tar(member), lambda member=member: contents(packed, member))  # type: ignore[misc]
        reader.seek(packed.offset)
        if any(reader.read(tarfile.BLOCKSIZE)):  # tarfile takes a head that it cannot read for the end
            raise ValueError(f"what stands at byte {packed.offset} cannot be read")
    return found


def contents(packed: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    stream = packed.extractfile(member)
    assert stream
    return stream


def kind_in_tar(member: tarfile.TarInfo) -> str:
    if member.issym():
        return LINK
    if member.islnk():
        return HARD_LINK
    if member.isdir():
        return FOLDER
    return FILE if member.isreg() and not member.issparse() else ODD


def kept(chunks: Iterator[bytes], name: str) -> IO[bytes]:
    """What is unpacked, in a file without a name."""
    file = tempfile.TemporaryFile()  # noqa: SIM115
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > MOST_UNPACKED:
            file.close()
            raise CannotGrade(
                f"{name} is more than {MOST_UNPACKED >> 20} MiB unpacked; pack server.py and what it imports"
            )
        file.write(chunk)
    file.seek(0)
    return file


def gunzipped(file: IO[bytes]) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=file) as stream:
        yield from iter(lambda: stream.read(CHUNK), b"")


def bunzipped(file: IO[bytes]) -> Iterator[bytes]:
    with bz2.BZ2File(file) as stream:
        yield from iter(lambda: stream.read(CHUNK), b"")


def unxzed(file: IO[bytes]) -> Iterator[bytes]:
    """lzma.open takes no limit of memory, and an xz may want 4 GiB."""
    decompressor, data = lzma.LZMADecompressor(memlimit=MOST_WINDOW), b""
    while not decompressor.eof:
        if decompressor.needs_input and not (data := file.read(CHUNK)):
            raise EOFError("the end is missing")
        yield decompressor.decompress(data, CHUNK)
        data = b""


def unzstded(file: IO[bytes]) -> Iterator[bytes]:
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise CannotGrade("a .tar.zst is read by Python 3.14 or newer; pack it as .zip or .tar.gz") from None
    options: Any = {zstd.DecompressionParameter.window_log_max: 27}
    with zstd.ZstdFile(file, options=options) as stream:
        yield from iter(lambda: stream.read(CHUNK), b"")


#: First bytes -> how what is behind them is unpacked.
UNPACKED = {b"\x1f\x8b": gunzipped, b"BZh": bunzipped, b"\xfd7zXZ\0": unxzed, b"\x28\xb5\x2f\xfd": unzstded}
