"""What the tests do again and again: write a submission, run the grader on it, look what is left."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
STEPS = tuple(sorted(path.parent.name for path in REPOSITORY.glob("solutions/*/server.py")))
PATIENT = 60.0  # seconds: a deadline for what is sure to come; nothing is judged by it


def submission(folder, servers):
    """Write {step: text of server.py} as a submission; return its folder."""
    for step, source in servers.items():
        (folder / step).mkdir(parents=True, exist_ok=True)
        (folder / step / "server.py").write_text(source, encoding="utf-8")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def solution(step):
    return (REPOSITORY / "solutions" / step / "server.py").read_text(encoding="utf-8")


def command(*arguments):
    return [sys.executable, "-m", "grader", *map(str, arguments)]


def environment(patience="1", **more):
    return {**os.environ, "EIGHT_SERVERS_PATIENCE": patience, **more}


@dataclass
class Run:
    """What a run of the grader said: exit status, the two streams, and the JSON that it wrote, if any."""

    status: int
    out: str
    err: str
    results: dict | None

    def outcomes(self):
        return {test["extra_data"]["check"]: test["extra_data"]["outcome"] for test in self.results["tests"]}


def grade(*arguments, results=None, patience="1", limit=110, **more):
    """Run `python -m grader` as a user does and wait for its end."""
    given = [*arguments, *(["--results", results] if results else [])]
    done = subprocess.run(
        command(*given),
        cwd=REPOSITORY,
        env=environment(patience, **more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=limit,
    )
    written = Path(results) if results else None
    data = json.loads(written.read_text(encoding="utf-8")) if written and written.exists() else None
    return Run(done.returncode, done.stdout, done.stderr, data)


def until(condition, what, seconds=PATIENT):
    """Wait for a state that is sure to come; fail, with its name, if it does not."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"it never came: {what}"
        time.sleep(0.005)
    return value


def facts(pid):
    """All that tells whose process this is: its environment, command line and working folder."""
    text = ""
    for name in ("environ", "cmdline"):
        try:
            text += Path(f"/proc/{pid}/{name}").read_bytes().decode("utf-8", "replace") + "\0"
        except OSError:
            pass
    try:
        text += os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        pass
    return text


def alive(pid):
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat[stat.rfind(")") + 2] not in "ZX"


def make_deep(folder, depth=1500):
    """Folders in each other, deeper than any path can say."""
    place = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=place)
        inner = os.open("d", os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = inner
    os.close(place)


def processes_of(folder):
    """The living processes that were started for a run whose temporary folder this is: pid -> command line.

    A server's environment, command line and working folder all name the run's temporary folder.
    """
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid() and alive(entry) and f"{folder}/" in facts(entry):
            found[int(entry)] = facts(entry).replace("\0", " ")[-200:]
    return found


def assert_no_process(folder):
    """Demand that no process of a run is left; end those that are."""
    left = first = processes_of(folder)
    while left:
        for pid in left:
            kill(pid)
        left = processes_of(folder)
    assert not first, f"processes left behind: {first}"


def assert_clean(folder):
    """Demand that no process of a run and no folder of the grader is left; remove what is."""
    try:
        assert_no_process(folder)
    finally:
        folders = remove_folders(folder)
    assert not folders, f"folders left behind: {folders}"


def remove_folders(folder):
    folders = list(folder.glob("eight-servers-*"))
    for path in folders:
        shutil.rmtree(path, ignore_errors=True)
    return folders


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def reap():
    """Wait for the dead children that nobody else waits for (this process may have adopted some)."""
    from grader.launch import reap_orphans

    reap_orphans()
