"""The standard streams as they are found: closed, full, or left by their reader. No verdict waits for one or is lost
with it, and nothing of ours gets the number of one.
"""

import io
import locale
import os
import select
import sys


class Forgiving(io.RawIOBase):
    """A descriptor to write to. What it does not take is thrown away, from the first error on; `error` says why."""

    def __init__(self, descriptor: int):
        self.descriptor = descriptor
        self.error = ""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.descriptor

    def isatty(self) -> bool:
        return os.isatty(self.descriptor)

    def write(self, data: "memoryview[int]", /) -> int:  # type: ignore[override]
        rest = memoryview(data)
        while rest and not self.error:
            try:
                rest = rest[os.write(self.descriptor, rest) :]
            except BlockingIOError:  # somebody else has made it non-blocking
                select.select([], [self.descriptor], [])
            except OSError as error:
                self.error = error.strerror or str(error)
        return len(data)


def mend() -> None:
    """Open what is closed, and let neither standard output nor standard error ever raise an OSError."""
    for number, flags in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, flags)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            os.set_inheritable(number, True)
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout, sys.stderr = stream(sys.stdout, 1), stream(sys.stderr, 2)


def stream(before: object, number: int) -> io.TextIOWrapper:
    """A stream that writes to this descriptor in the encoding of the one before, line by line."""
    if isinstance(before, io.TextIOWrapper):
        before.flush()
    encoding = getattr(before, "encoding", None) or locale.getpreferredencoding(False)
    raw = io.BufferedWriter(Forgiving(number))  # type: ignore[type-var]
    return io.TextIOWrapper(raw, encoding, errors="backslashreplace", line_buffering=True)


def lost() -> str:
    """Why standard output could not be written; "" if it could. Who has left, as `head` does, has what they wanted."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    error = raw.error if isinstance(raw, Forgiving) else ""
    return "" if error == os.strerror(32) else error
