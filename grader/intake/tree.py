"""What a submission holds, wherever it comes from: folders and files by their names, and the limits for all of it.

A name is text that UTF-8 and `surrogateescape` turn into the bytes on disk, whatever the locale.
"""

import re
from typing import Protocol

from grader.finding import CannotGrade

Parts = tuple[str, ...]

FILE, FOLDER, LINK, HARD_LINK, ODD = "file", "folder", "symbolic link", "hard link", "device, FIFO or socket"

MOST_FILES, MOST_BYTES, MOST_DEPTH = 2000, 64 << 20, 50  # of what is graded: server.py and what lies beside it
MOST_SOURCE = 1 << 20  # bytes of server.py
MOST_ENTRIES = 20_000  # of one folder, or of a whole archive
MOST_PACKED = 64 << 20  # bytes of an archive
MOST_NAME = 255  # bytes, as the kernel has it

#: What systems and tools leave in folders and archives; no program of anybody's.
JUNK = frozenset(
    ("__MACOSX", "__pycache__", ".git", ".hg", ".svn", ".DS_Store", "Thumbs.db", "desktop.ini", ".tox", ".venv")
)


class LeftOut(Exception):
    """A file that is not taken, and what it is; the rest of the submission is."""


class Tree(Protocol):
    """A submission that is looked at and never unpacked elsewhere than where we write it."""

    name: str  # as it was given

    def names(self, folder: Parts) -> dict[str, str]:
        """What is in a folder: name -> one of the five kinds. Raises CannotGrade."""

    def read(self, file: Parts, most: int) -> bytes:
        """The bytes of a file, one more than `most` if it has more. Raises CannotGrade, LeftOut."""

    def close(self) -> None: ...


def is_junk(name: str) -> bool:
    return name in JUNK or name.startswith("._")


def on_disk(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def from_disk(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def shown(parts: Parts) -> str:
    return "/".join(parts)


def parts_of(name: str, archive: str) -> Parts:
    """The folders and the name of an archive's member. Raises CannotGrade if it is no place inside."""
    if name.startswith("/") or re.match(r"[A-Za-z]:[/\\]", name):
        raise CannotGrade(f"{archive} holds a name that begins at the root, {name[:80]!r}; pack the folder itself")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in parts:
        raise CannotGrade(f"{archive} holds a name that leads out of it, {name[:80]!r}; pack the folder itself")
    if len(parts) > 2 * MOST_DEPTH:
        raise CannotGrade(
            f"{archive} holds more than {MOST_DEPTH} folders in each other; pack server.py and what it imports"
        )
    try:
        fits = all(len(on_disk(part)) <= MOST_NAME and "\0" not in part for part in parts)
    except UnicodeEncodeError:
        fits = False
    if not fits:
        raise CannotGrade(f"{archive} holds a name that no file can have, {name[:80]!r}; rename it and pack it anew")
    return parts
