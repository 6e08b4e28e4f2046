"""What is measured: a table for each size and kind of connection, peers first, and what is left out of them."""

import re

from bench import CannotMeasure
from bench.result import Cell, Group
from bench.servers import LONG, PEER, SHORT, Server

UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20}
LARGEST = 100 << 20  # bytes
STARTING = 0.4  # seconds that a server takes to start, to be looked at, and to end: a guess to begin with


def size_named(text: str) -> int:
    """`1k`, `100k`, `5m`, `17` -> bytes. Raises CannotMeasure."""
    match = re.fullmatch(r"(\d{1,9})([km]?)", text.strip().lower())
    size = int(match[1]) * UNITS[match[2]] if match else 0
    if not 0 < size <= LARGEST:
        raise CannotMeasure(f"--sizes: {text!r} is no size from 1 to 100m; say 1k,100k,5m for example")
    return size


def file_name(size: int) -> str:
    """As it is asked for: `1k.bin`."""
    for unit in ("m", "k"):
        if size % UNITS[unit] == 0:
            return f"{size // UNITS[unit]}{unit}.bin"
    return f"{size}.bin"


def size_words(size: int) -> str:
    words = file_name(size).removesuffix(".bin")
    return words.replace("k", " KB").replace("m", " MB") if words[-1] in "km" else f"{words} bytes"


def groups(servers: list[Server], sizes: list[int], mode: str) -> tuple[list[Group], list[str]]:
    """The tables, and lines on what is in none. `mode`: short, long, or own: a step's own kind.

    Raises CannotMeasure if no server speaks that.
    """
    found, silent = [], []
    for kind in (SHORT, LONG) if mode == "own" else (mode,):
        steps = [server for server in servers if server.kind != PEER]
        speaking = [server for server in steps if (server.modes[-1] == kind if mode == "own" else kind in server.modes)]
        if mode != "own":
            silent = [server.name for server in steps if server not in speaking]
        if speaking:
            peers = [server for server in servers if server.kind == PEER and kind in server.modes]
            found += [Group(size, kind, [Cell(s, size, kind) for s in (*peers, *speaking)]) for size in sizes]
    left_out = [f"{', '.join(silent)}: left out, answers once a connection"] if silent else []
    if not found:
        raise CannotMeasure(f"--mode {mode}: there is nothing to measure; {left_out[0]}")
    return found, left_out


def seconds_needed(cells: int, rounds: int, seconds: int) -> float:
    return cells * rounds * (seconds + STARTING)
