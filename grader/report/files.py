"""Write a report whole or not at all."""

import os
import tempfile
from pathlib import Path


def why_not_writable(path: Path) -> str:
    """Why a report could not be written there, in a line; "" if it could."""
    try:
        if path.is_dir():
            return f"{path} is a folder; name a file"
        if path.exists() and not path.is_file():  # renaming would put a file in the place of /dev/null
            return f"{path} is no regular file; name one, or a new one"
        folder = next(parent for parent in path.absolute().parents if parent.exists())
    except OSError as error:
        return f"{path} cannot be written: {error.strerror}"
    if not folder.is_dir():
        return f"{folder} is no folder"
    return "" if os.access(folder, os.W_OK) else f"{folder} cannot be written to"


def place(path: Path) -> Path:
    """Where the file would lie: the same for two paths that name the same place."""
    return path.parent.resolve() / path.name


def write_whole(path: Path, text: str) -> None:
    """Write beside, then rename: a reader sees the old file or the new one, never half of one.

    Half of a surrogate pair, which UTF-8 has not, is written as its escape; in JSON that means the same.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(beside, 0o666 & ~umask)
        os.replace(beside, path)
    except BaseException:
        os.unlink(beside)
        raise
