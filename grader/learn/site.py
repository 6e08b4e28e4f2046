"""The grader's own site, for a server that is run by hand: what the line of a failure asks for is there."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grader.docroot import DocumentRoot
from grader.finding import CannotGrade

SEED = 8  # of its bytes: they are the same in every run


@contextmanager
def laid_out(folder: Path) -> Iterator[DocumentRoot]:
    """Write the site into a new folder, `www` its root and secrets beside that, and remove it in the end.

    Whatever a run that was killed has left there goes first. Raises CannotGrade if another run has it.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder.with_suffix(".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CannotGrade(f"{folder} cannot be written: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise CannotGrade(f"another server has the site {folder}; end that one first") from None
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        root = DocumentRoot(folder, SEED)
        root.add_outside()
        root.fill()
        yield root
    except OSError as error:
        raise CannotGrade(f"the site cannot be written to {folder}: {error.strerror}") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        folder.with_suffix(".lock").unlink(missing_ok=True)
        os.close(lock)
