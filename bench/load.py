"""The load: wrk, one thread, and what it counted."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench import CannotMeasure

SCRIPT = Path(__file__).with_name("load.lua")
ERRORS = ("connect", "read", "write", "timeout", "status")
TIMEOUT = 10  # seconds that a client waits for an answer before wrk counts an error


@dataclass(frozen=True)
class Load:
    """What came of one load: whole answers, and seconds. `errors`: kind -> how many; "status" is 400 and above.

    An answer that is under way at the end is not counted, though the server has worked for it: of large
    files the cost of a request is a per cent or two too high, for every server alike.
    """

    requests: int
    seconds: float
    bytes: int
    p50: float
    p99: float
    errors: dict[str, int]


def version() -> str:
    """wrk's version. Raises CannotMeasure where there is none."""
    if not shutil.which("wrk"):
        raise CannotMeasure("wrk is missing: apt install wrk (Debian, Ubuntu); https://github.com/wg/wrk elsewhere")
    words = subprocess.run(["wrk", "-v"], capture_output=True, text=True).stdout.split()
    return words[1].removeprefix("debian/") if len(words) > 1 else "unknown"


def command(url: str, clients: int, seconds: int, long: bool) -> list[str]:
    words = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", f"{TIMEOUT}s", "-s", str(SCRIPT)]
    return [*words, *([] if long else ["-H", "Connection: close"]), url]


def run(url: str, clients: int, seconds: int, long: bool) -> Load:
    """Put the load on a server. Raises CannotMeasure if wrk does not say what it counted."""
    done = subprocess.run(command(url, clients, seconds, long), capture_output=True, text=True)
    return read(done.stdout, done.stderr)


def read(out: str, err: str = "") -> Load:
    """wrk's output -> what it counted."""
    for line in out.splitlines():
        if line.startswith("bench "):
            said = json.loads(line.removeprefix("bench "))
            errors = {kind: said[kind] for kind in ERRORS if said[kind]}
            micro = 1e-6
            return Load(
                said["requests"],
                said["duration"] * micro,
                said["bytes"],
                said["p50"] * micro,
                said["p99"] * micro,
                errors,
            )
    last = (err.strip() or out.strip() or "nothing").splitlines()[-1]
    raise CannotMeasure(f"wrk did not say what it counted; it said: {last}")
