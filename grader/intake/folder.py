"""A submission in a folder. No link is followed, no device opened, and every step goes by descriptor.

open(2): O_NOFOLLOW refuses a link, O_NONBLOCK does not wait at a FIFO; what was opened is then looked at by fstat(2).
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grader.finding import CannotGrade
from grader.intake.tree import (
    FILE,
    FOLDER,
    LINK,
    MOST_ENTRIES,
    ODD,
    LeftOut,
    Parts,
    from_disk,
    on_disk,
    shown,
)

PLAIN = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


def why(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)


class Folder:
    """The folder that was named is opened as it is; below it no link is followed."""

    def __init__(self, path: Path, descriptor: int):
        self.name = str(path)
        self.root = descriptor

    def close(self) -> None:
        os.close(self.root)

    def where(self, parts: Parts) -> str:
        return f"{self.name}/{shown(parts)}" if parts else self.name

    @contextmanager
    def opened(self, folder: Parts) -> Iterator[int]:
        place = os.dup(self.root)
        try:
            for name in folder:
                inner = os.open(on_disk(name), PLAIN | os.O_NOFOLLOW | os.O_DIRECTORY, dir_fd=place)
                os.close(place)
                place = inner
            yield place
        except OSError as error:
            raise CannotGrade(f"{self.where(folder)} cannot be read: {why(error)}") from None
        finally:
            os.close(place)

    def names(self, folder: Parts) -> dict[str, str]:
        found: dict[str, str] = {}
        with self.opened(folder) as place, os.scandir(place) as entries:
            for entry in entries:
                if len(found) == MOST_ENTRIES:
                    raise CannotGrade(
                        f"{self.where(folder)} holds more than {MOST_ENTRIES} files; hand in what is needed"
                    )
                found[from_disk(os.fsencode(entry.name))] = kind(entry)
        return found

    @contextmanager
    def descriptor(self, file: Parts) -> Iterator[int]:
        """A regular file with one name. Raises LeftOut for whatever else it is."""
        with self.opened(file[:-1]) as place:
            try:
                number = os.open(on_disk(file[-1]), PLAIN | os.O_NOFOLLOW, dir_fd=place)
            except OSError as error:
                raise CannotGrade(f"{self.where(file)} cannot be read: {why(error)}") from None
            try:
                state = os.fstat(number)
                if not stat.S_ISREG(state.st_mode):
                    raise LeftOut(ODD)
                if state.st_nlink > 1:
                    raise LeftOut("file with another name elsewhere (a hard link)")
                yield number
            finally:
                os.close(number)

    def read(self, file: Parts, most: int) -> bytes:
        with self.descriptor(file) as number, open(number, "rb", closefd=False) as stream:
            try:
                return stream.read(most + 1)
            except OSError as error:
                raise CannotGrade(f"{self.where(file)} cannot be read: {why(error)}") from None


def kind(entry: os.DirEntry[str]) -> str:
    if entry.is_symlink():
        return LINK
    if entry.is_dir(follow_symlinks=False):
        return FOLDER
    return FILE if entry.is_file(follow_symlinks=False) else ODD
