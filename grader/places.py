"""Files by their real path, and no link is followed on the way: a server may have put one there meanwhile.

It runs as we do, and could lead us to write wherever it likes. What we have made is known by its inode.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager

FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: Errors that are the machine's own: no room, no descriptors, a bad disk.
THE_MACHINES = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.EFBIG, errno.EROFS)
MOST = 256 << 20  # bytes of a file: none of ours is a third as long


class Tampered(OSError):
    """Something else lies where we have made a file, or are to make one; the text says what."""


@contextmanager
def parent(place: bytes, *, make: bool = False) -> Iterator[tuple[int, bytes]]:
    """A descriptor of the folder in which a real path lies, and the name there. make: the folders that are missing.

    Raises OSError, ELOOP or ENOTDIR if there is a link on the way.
    """
    *folders, name = place.split(b"/")[1:]
    folder = os.open("/", FOLDER)
    try:
        for each in folders:
            try:
                inner = os.open(each, FOLDER, dir_fd=folder)
            except FileNotFoundError:
                if not make:
                    raise
                os.mkdir(each, dir_fd=folder)
                inner = os.open(each, FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        yield folder, name
    finally:
        os.close(folder)


@contextmanager
def opened(place: bytes, flags: int, *, make: bool = False) -> Iterator[int]:
    """A descriptor of a regular file. Raises OSError, ESTALE if it is of another kind."""
    with parent(place, make=make) as (folder, name):
        file = os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666, dir_fd=folder)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.ESTALE, "it is no regular file any more")
        yield file
    finally:
        os.close(file)


def sparse(place: bytes, beginning: bytes, size: int) -> None:
    """Make a file of so many bytes; those behind the beginning are none on the disk."""
    with opened(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as file:
        os.write(file, beginning)
        os.truncate(file, size)


def inode(file: int) -> tuple[int, int]:
    found = os.fstat(file)
    return found.st_dev, found.st_ino


def whole(file: int) -> bytes:
    """All the bytes of a file. Raises OSError, EFBIG if nobody can hold them."""
    if os.fstat(file).st_size > MOST:
        raise OSError(errno.EFBIG, "it is longer than any file of the site")
    with open(os.dup(file), "rb") as reader:
        reader.seek(0)
        return reader.read(MOST)


def read(place: bytes) -> bytes | None:
    """The bytes of a file; None if there is none, or it cannot be read."""
    try:
        with opened(place, os.O_RDONLY) as file:
            return whole(file)
    except (OSError, ValueError):  # no name holds a NUL
        return None


def rewrite(file: int, data: bytes) -> None:
    """As little of it as makes it hold these bytes."""
    before = whole(file)
    same = len(before) if data.startswith(before) else 0
    if not before.startswith(data):
        if not same:
            os.ftruncate(file, 0)
        with open(os.dup(file), "wb") as writer:  # which cuts nothing off: it is given a descriptor
            writer.seek(same)
            writer.write(data[same:])
    else:
        os.ftruncate(file, len(data))


def move(source: bytes, target: bytes) -> None:
    """rename(2): what was at the target is gone."""
    with parent(source) as (here, name), parent(target) as (there, new):
        os.replace(name, new, src_dir_fd=here, dst_dir_fd=there)


def remove(place: bytes) -> None:
    with parent(place) as (folder, name):
        os.unlink(name, dir_fd=folder)


def link(source: bytes, target: bytes) -> None:
    """link(2): one file has two names; nothing happens if the second one is there."""
    with parent(source) as (here, name), parent(target, make=True) as (there, new):
        try:
            os.link(name, new, src_dir_fd=here, dst_dir_fd=there, follow_symlinks=False)
        except FileExistsError:
            pass


def ours(place: bytes, how: Callable[[], None]) -> None:
    """Do it. Raises Tampered if what we had made is not there any more, and OSError for what is the machine's."""
    try:
        how()
    except OSError as error:
        if error.errno in THE_MACHINES:
            raise
        name = os.fsdecode(os.path.basename(place))
        raise Tampered(f"the server has changed the site: {name!a}: {error.strerror}") from None
