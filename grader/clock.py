"""A clock of our own for a server's Python: the true one, and so many seconds more as we say."""

import math
import os
import struct
import time
from contextlib import suppress
from pathlib import Path

from grader.kernel import Proc


class Clock:
    """It lets a check ask what becomes of a client that has been silent for most of a minute without waiting
    for it. Python's `time` functions follow it (grader/inside/sitecustomize.py); the kernel's time-outs do
    not, but those can be seen (grader.timers). Once set forward it stays ahead: a clock does not go back.

    The server shares the page, and may do to its file whatever it likes: we hold the one that we have made.
    """

    def __init__(self, path: Path):
        self.path = path
        self.file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        os.write(self.file, bytes(16))
        self.environment = {"EIGHT_SERVERS_CLOCK": str(path)}
        self.ahead = 0.0
        self.set: list[tuple[float, float]] = []  # when it was set forward, by time.monotonic(), and by how much

    def close(self) -> None:
        """Nobody goes by it any more."""
        if self.file >= 0:
            os.close(self.file)
            self.file = -1

    def forward(self, seconds: float) -> None:
        """All later readings are so many seconds more ahead of the truth."""
        self.ahead += seconds
        self.set.append((time.monotonic(), seconds))
        with suppress(OSError):  # who has cut the file off has no use for it
            os.pwrite(self.file, struct.pack("d", self.ahead), 0)

    @property
    def now(self) -> float:
        """Seconds on it, as the server counts them."""
        return time.monotonic() + self.ahead

    def between(self, begin: float, end: float) -> float:
        """Seconds on it between two moments of time.monotonic()."""
        return end - begin + sum(seconds for moment, seconds in self.set if begin <= moment <= end)

    @property
    def alarm(self) -> float:
        """Seconds that the server's last alarm was set to, 0 for none, or if what stands there is no time."""
        try:
            (seconds,) = struct.unpack("d", os.pread(self.file, 8, 8))
        except (OSError, struct.error):
            return 0.0
        return seconds if math.isfinite(seconds) and seconds > 0 else 0.0

    def leads(self, proc: Proc, pid: int) -> bool:
        """Whether this process reads it: another program does not, nor a Python that ignores its environment."""
        return str(self.path) in proc.read(pid, "maps")
