"""A submission comes in: a folder, a zip or a tar becomes a snapshot of what is graded, and nothing else of it is used.

It is taken once, when grading begins, and kept in memory: what a server does to files afterwards changes nothing. Links
are never followed, nothing is written but what the snapshot writes. What is not taken is said in a line.
"""

import hashlib
import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from grader import STEPS
from grader.finding import CannotGrade
from grader.intake import archive, layout
from grader.intake.folder import PLAIN, Folder, why
from grader.intake.layout import SERVER
from grader.intake.tree import (
    FILE,
    FOLDER,
    MOST_BYTES,
    MOST_DEPTH,
    MOST_FILES,
    MOST_PACKED,
    MOST_SOURCE,
    LeftOut,
    Parts,
    Tree,
    on_disk,
    shown,
)


@dataclass
class Snapshot:
    """What is graded of a step: path inside its folder -> bytes.

    where: the folder as it was named. notes: what was left out, a line each.
    """

    where: str
    files: dict[Parts, bytes] = field(default_factory=dict)
    folders: list[Parts] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def source(self) -> bytes:
        return self.files[(SERVER,)]

    @property
    def sha256(self) -> str:
        """Of every name and every byte, in hexadecimal: two that differ in anything differ here."""
        total = hashlib.sha256()
        for parts in sorted(self.folders):
            total.update(b"folder %d:%s" % (len(path := on_disk(shown(parts))), path))
        for parts, data in sorted(self.files.items()):
            total.update(b"file %d:%s %d:" % (len(path := on_disk(shown(parts))), path, len(data)))
            total.update(data)
        return total.hexdigest()

    def write(self, folder: Path) -> None:
        """Make a fresh copy: `folder` is new, and so is every file."""
        root = os.fsencode(folder)
        os.makedirs(root)
        for parts in self.folders:
            os.mkdir(os.path.join(root, *map(on_disk, parts)))
        for parts, data in self.files.items():
            with open(os.path.join(root, *map(on_disk, parts)), "xb") as file:
                file.write(data)


def receive(
    submission: Path, steps: Sequence[str], *, lone: bool = True, follow: bool = True
) -> dict[str, Snapshot | CannotGrade]:
    """A snapshot for each of these steps, or why there is none. Raises CannotGrade if there is none for any.

    lone: whether a server.py alone will do: it may, when one step is asked for. follow: whether the submission's own
    name may be a link.
    """
    found: dict[str, Snapshot | CannotGrade] = {}
    with opened(submission, follow) as tree:
        name = Path(submission.absolute().name).stem
        lone = lone and len(steps) == 1 and (name not in STEPS or name in steps)
        for step in steps:
            try:
                found[step] = snapshot(tree, layout.find(tree, step, lone))
            except CannotGrade as error:
                found[step] = error
    return found


def receive_one(submission: Path, step: str, *, lone: bool = True, follow: bool = True) -> Snapshot:
    """The snapshot of one step. Raises CannotGrade with a line that says what to do."""
    found = receive(submission, [step], lone=lone, follow=follow)[step]
    if isinstance(found, CannotGrade):
        raise found
    return found


@contextmanager
def opened(submission: Path, follow: bool) -> Iterator[Tree]:
    """Whatever was handed in, as folders and files. Raises CannotGrade."""
    try:
        number = os.open(submission, PLAIN | (0 if follow else os.O_NOFOLLOW))
    except OSError as error:
        if not follow and submission.is_symlink():
            raise CannotGrade(f"{submission} is a symbolic link, and not followed; put the folder there") from None
        what = "is no folder" if isinstance(error, FileNotFoundError) else f"cannot be read: {why(error)}"
        raise CannotGrade(f"{submission} {what}; give the one that holds NN_name/{SERVER}") from None
    tree = folder_or_file(submission, number)
    try:
        yield tree
    finally:
        tree.close()


def folder_or_file(submission: Path, number: int) -> Tree:
    """Takes the descriptor over."""
    if not stat.S_ISDIR(os.fstat(number).st_mode):
        return archive_or_source(str(submission), number)
    folder = Folder(submission, number)
    try:
        inner = layout.archive_in(folder)
        if not inner:
            return folder
        with folder.descriptor(inner) as packed:
            tree = archive_or_source(folder.where(inner), os.dup(packed))
    except LeftOut as error:
        folder.close()
        raise CannotGrade(f"{submission} holds nothing but a {error}; put the archive itself there") from None
    except CannotGrade:
        folder.close()
        raise
    folder.close()
    return tree


def archive_or_source(name: str, number: int) -> Tree:
    """An archive, or a server.py under whatever name it was handed in. Takes the descriptor over."""
    file = open(number, "rb")  # noqa: SIM115
    try:
        state = os.fstat(number)
        if not stat.S_ISREG(state.st_mode):
            raise CannotGrade(f"{name} is no folder and no regular file; give the folder that holds NN_name/{SERVER}")
        if state.st_size > MOST_PACKED:
            raise CannotGrade(f"{name} has more than {MOST_PACKED >> 20} MiB; pack {SERVER} and what it imports")
        return Lone(name, file) if name.endswith(".py") else archive.opened(file, name)
    except BaseException:
        file.close()
        raise


class Lone:
    """A program by itself, as some systems hand it on: under a name that they have made."""

    def __init__(self, name: str, file: IO[bytes]):
        self.name, self.file = name, file
        self.close = file.close

    def names(self, folder: Parts) -> dict[str, str]:
        return {SERVER: FILE}

    def read(self, file: Parts, most: int) -> bytes:
        return self.file.read(most + 1)


def snapshot(tree: Tree, place: Parts) -> Snapshot:
    """All of that folder that counts. Raises CannotGrade if it is more than what a server imports."""
    found = Snapshot(f"{tree.name}/{shown(place)}" if place else tree.name)
    left_out: list[tuple[str, Parts]] = []
    count, total, todo = 0, 0, [place]
    while todo:
        folder = todo.pop()
        names = dict(sorted(layout.kept(tree, folder).items()))
        refuse_clashes(names, f"{tree.name}/{shown(folder)}")
        for name, kind in names.items():
            path, inside = (*folder, name), (*folder, name)[len(place) :]
            count += 1
            if kind == FOLDER:
                found.folders.append(inside)
                todo.append(path)
            elif kind == FILE:
                try:
                    found.files[inside] = data = tree.read(
                        path, MOST_SOURCE if inside == (SERVER,) else MOST_BYTES - total
                    )
                    total += len(data)
                except LeftOut as error:
                    left_out.append((str(error), inside))
            else:
                left_out.append((kind, inside))
            if count > MOST_FILES or total > MOST_BYTES or len(inside) > MOST_DEPTH:
                raise CannotGrade(
                    f"{found.where} holds more than {MOST_FILES} files, {MOST_BYTES >> 20} MiB or {MOST_DEPTH} folders "
                    f"in each other; hand in {SERVER} and what it imports"
                )
    found.folders.sort()
    refuse_no_server(found, left_out)
    found.notes += notes(left_out)
    return found


def refuse_clashes(names: dict[str, str], where: str) -> None:
    """Not every file system tells them apart, and no reader should have to."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
        if other != name:
            raise CannotGrade(f"{where} holds {other!r} and {name!r}, which differ in case alone; rename one")


def refuse_no_server(found: Snapshot, left_out: list[tuple[str, Parts]]) -> None:
    script = f"{found.where}/{SERVER}"
    for kind, path in left_out:
        if path == (SERVER,):
            raise CannotGrade(f"{script} is not a regular file but a {kind}; put the program itself there")
    if (SERVER,) not in found.files:
        raise CannotGrade(f"{script} is not a regular file; put the program itself there")
    if len(found.source) > MOST_SOURCE:
        raise CannotGrade(f"{script} has more than {MOST_SOURCE >> 20} MiB; is it a program?")


def notes(left_out: list[tuple[str, Parts]]) -> list[str]:
    """`left out: 2 of the kind "symbolic link" (a, b)`: a line for each kind."""
    lines = []
    for kind, count in sorted(Counter(kind for kind, _ in left_out).items()):
        names = [shown(path) for what, path in left_out if what == kind]
        more = ", ..." if count > 3 else ""
        lines.append(f"left out of the submission: {count} x {kind} ({', '.join(names[:3])}{more})")
    return lines
