"""Loaded by the Python of one server of a grading run (site, "sitecustomize"): a clock that can be set forward.

See grader.launch.Clock. Everything else is left as it is, and without the file there is no change at all.
"""

import mmap
import os
import struct
import time


def set_forward() -> None:
    with open(os.environ["EIGHT_SERVERS_CLOCK"], "r+b") as file:
        ahead = mmap.mmap(file.fileno(), 8)

    def forward(name: str, unit: int) -> None:
        read = getattr(time, name)
        if unit == 1:
            setattr(time, name, lambda: read() + struct.unpack("d", ahead[:8])[0])
        else:
            setattr(time, name, lambda: read() + int(struct.unpack("d", ahead[:8])[0] * unit))

    for name in ("time", "monotonic", "perf_counter"):
        forward(name, 1)
        forward(f"{name}_ns", 1_000_000_000)


try:
    set_forward()
except (KeyError, OSError, ValueError):
    pass
