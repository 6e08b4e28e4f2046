"""What the files of the site have held, and when: a request is answered rightly by what its file held at any
moment since it was sent."""

import errno
import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass

from grader import places

SECOND = 1_000_000_000  # nanoseconds


@dataclass
class Content:
    """What a file held (None: it was not there, or cannot be read), and between which time.monotonic()."""

    data: bytes | None
    since: float
    until: float = float("inf")


def signature(place: bytes) -> tuple[int, ...]:
    """What changes when a regular file does; () if there is none."""
    try:
        found = os.lstat(place)
    except (OSError, ValueError):  # no name holds a NUL
        return ()
    if not stat.S_ISREG(found.st_mode):
        return ()
    return found.st_mtime_ns, found.st_ino, found.st_size, found.st_ctime_ns


class History:
    """What each file held, by its place (the real path), in order."""

    def __init__(self) -> None:
        self.contents: dict[bytes, list[Content]] = {}
        self.signatures: dict[bytes, tuple[int, ...]] = {}  # what belongs to the last content
        self.dates: dict[bytes, int] = {}  # the latest st_mtime_ns
        self.missed: set[bytes] = set()  # places asked for in vain
        self.made: dict[bytes, tuple[int, int]] = {}  # device and inode of the files that we have written
        self.served = False  # from now on clients may have asked already for what is made

    def write(self, place: bytes, data: bytes, aside: bytes = b"", dated: float | None = None) -> None:
        """Write a file where it is, or `aside` first, and put it there all at once, rename(2).

        Raises Tampered if a server has put something else there.
        """

        def how() -> None:
            there = place in self.made and not aside
            with places.opened(aside or place, os.O_RDWR | (0 if there else os.O_CREAT | os.O_EXCL), make=True) as file:
                if there and places.inode(file) != self.made[place]:
                    raise OSError(errno.ESTALE, "it is another file")
                places.rewrite(file, data)
                now = os.fstat(file).st_mtime_ns
                date = max(now, self.dates.get(place, 0) + SECOND) if dated is None else int(dated * SECOND)
                if date != now:
                    os.utime(file, ns=(date, date))
                made = places.inode(file)
            if aside:
                places.move(aside, place)
            self.made[place] = made

        self.change(place, data, how)

    def remove(self, place: bytes) -> None:
        self.change(place, None, lambda: places.remove(place))
        self.made.pop(place, None)

    def change(self, place: bytes, data: bytes | None, how: Callable[[], None]) -> None:
        """Change a file, and note what it held and holds; while it changes, it is both."""
        self.notice(place)
        contents = self.contents.setdefault(place, [Content(None, 0.0)] if self.served else [])
        began = time.monotonic()
        places.ours(place, how)
        if contents:
            contents[-1].until = time.monotonic()
        contents.append(Content(data, began))
        self.sign(place)

    def sign(self, place: bytes) -> None:
        self.signatures[place] = signature(place)
        self.dates[place] = max(self.dates.get(place, 0), *self.signatures[place][:1], 0)

    def notice(self, place: bytes) -> None:
        """Note what has changed at a place without a word to us, at some moment since we last knew."""
        if self.signatures.get(place, ()) == signature(place):
            return
        self.sign(place)
        data = places.read(place) if self.signatures[place] else None
        contents = self.contents.setdefault(place, [Content(None, 0.0)] if place in self.missed else [])
        if contents and contents[-1].data == data:
            return
        began = contents[-1].since if contents else 0.0
        if contents:
            contents[-1].until = time.monotonic()
        contents.append(Content(data, began))

    def held(self, place: bytes, since: float) -> tuple[list[bytes | None], bool]:
        """What the file there has held since then, and whether it changed under those who had asked for it.

        since 0: at any time, but for the time before it was first made.
        """
        self.notice(place)
        contents = self.contents.get(place, [])
        if not contents or contents[-1].data is None:
            self.missed.add(place)
        made = len(contents) > 1 and contents[0].data is None
        changed = len(contents) - (made and place not in self.missed) > 1
        return [content.data for content in contents[made and not since :] if content.until >= since], changed
