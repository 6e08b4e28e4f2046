"""Loaded by the Python of one server of a grading run (site, "sitecustomize"): a clock that can be set forward.

See grader.launch.Clock: the first double in its file is read, how far the clock is ahead; to the second is
written what alarm(2) or setitimer(2) was last set to, which no file in /proc shows. All else is left alone.
"""

import mmap
import os
import signal
import struct
import time


def set_forward() -> None:
    with open(os.environ["EIGHT_SERVERS_CLOCK"], "r+b") as file:
        ahead = mmap.mmap(file.fileno(), 16)

    def forward(name: str, unit: int) -> None:
        read = getattr(time, name)
        if unit == 1:
            setattr(time, name, lambda: read() + struct.unpack("d", ahead[:8])[0])
        else:
            setattr(time, name, lambda: read() + int(struct.unpack("d", ahead[:8])[0] * unit))

    alarm, setitimer = signal.alarm, signal.setitimer

    def note(seconds: float) -> None:
        ahead[8:16] = struct.pack("d", seconds)

    def noted_alarm(seconds: int) -> int:
        note(seconds)
        return alarm(seconds)

    def noted_setitimer(which: int, seconds: float, interval: float = 0.0) -> tuple[float, float]:
        note(seconds)
        return setitimer(which, seconds, interval)

    signal.alarm, signal.setitimer = noted_alarm, noted_setitimer
    for name in ("time", "monotonic", "perf_counter"):
        forward(name, 1)
        forward(f"{name}_ns", 1_000_000_000)


try:
    set_forward()
except (KeyError, OSError, ValueError):
    pass
