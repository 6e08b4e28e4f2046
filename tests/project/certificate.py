"""The flake certificate: every suite on its reference, again and again, under four loads.

    python tests/project/certificate.py --runs 125      each suite so often under each load
    python tests/project/certificate.py --right 10      every right server of the corpus so often instead
    python tests/project/certificate.py --jobs 3        so many graders at once: each is one load more for the others
    python tests/project/certificate.py --page          only make the page anew

The stretch checks are left out: no point rests on them. Adds what it saw to proofs/certificate.jsonl, a
line for each load and server, and writes proofs/certificate.md anew from all lines there: whoever ends it
keeps what it has, and whoever starts it again adds to it. Exit status 1 if a point was lost.

quiet     nothing else runs
busy      two busy loops for each core
halved    one core for each grader, and its server's processes are stopped (SIGSTOP) for 30 of every 60 ms
pressure  one process writes and syncs 64 MiB again and again, another fills and frees a quarter of the memory
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
sys.path[:0] = [str(HERE), str(REPOSITORY)]

import corpus  # noqa: E402

from grader import STEPS  # noqa: E402
from grader.kernel import Proc  # noqa: E402

LINES = REPOSITORY / "proofs" / "certificate.jsonl"
BUSY = "while True: pass"
DISK = """
import os, sys
while True:
    with open(sys.argv[1], "wb") as file:
        for _ in range(64):
            file.write(os.urandom(1 << 20))
        os.fsync(file.fileno())
"""
MEMORY = """
import os, time
size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4
while True:
    block = bytearray(size)
    for at in range(0, size, 4096):
        block[at] = 1
    del block
    time.sleep(0.2)
"""


@contextlib.contextmanager
def programs(*arguments: list[str]) -> Iterator[None]:
    """Run these Python programs meanwhile."""
    running = [subprocess.Popen([sys.executable, "-c", *words]) for words in arguments]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


@contextlib.contextmanager
def load(name: str) -> Iterator[None]:
    with tempfile.TemporaryDirectory() as folder:
        if name == "busy":
            with programs(*[[BUSY]] * 2 * (os.cpu_count() or 1)):
                yield
        elif name == "pressure":
            with programs([DISK, f"{folder}/file"], [MEMORY]):
                yield
        else:
            yield


def servers_of(grader: int) -> list[int]:
    """The processes below a grader: all of them are its servers'."""
    processes = Proc().processes()
    below = {grader}
    for pid, process in sorted(processes.items()):
        if process.parent in below:
            below.add(pid)
    return sorted(below - {grader})


def halve(grader: subprocess.Popen) -> None:
    """Stop and continue the servers while the grader runs."""
    while grader.poll() is None:
        pids = servers_of(grader.pid)
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            time.sleep(0.03)


def grade(name: str, step: str, submission: Path, results: Path, number: int) -> dict:
    command = [sys.executable, "-m", "grader", step, "--submission", str(submission), "--results", str(results)]
    command += ["-k", "not stretch"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    grader = subprocess.Popen(command, cwd=REPOSITORY, **quiet)
    if name == "halved":
        os.sched_setaffinity(grader.pid, {number % (os.cpu_count() or 1)})
        stopper = threading.Thread(target=halve, args=(grader,))
        stopper.start()
        stopper.join()
    grader.wait()
    return json.loads(results.read_text("utf-8"))


def once(name: str, step: str, submission: Path, number: int) -> tuple[dict, float]:
    """One run: its result, and the seconds it took."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        return grade(name, step, submission, Path(folder) / "results.json", number), time.monotonic() - began


def series(name: str, server: str, jobs: int, runs: list[Future]) -> dict:
    """The runs of one server under one load, as a line of the record."""
    lost: dict[str, int] = {}
    points, seconds = 0, []
    for result, took in (run.result() for run in runs):
        seconds.append(took)
        points += 100 - int(result["score"])
        for test in result["tests"]:
            if "stretch" not in test.get("tags", []) and test["status"] != "passed":
                check = test.get("extra_data", {}).get("check", test["output"])
                lost[check] = lost.get(check, 0) + 1
                print(f"  {server}, {name}: lost {check}: {test['output'][:2000]}", flush=True)
    return {
        "date": str(date.today()),
        "commit": commit(),
        "cores": os.cpu_count(),
        "gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / (1 << 30)),
        "load": name,
        "jobs": jobs,
        "server": server,
        "runs": len(runs),
        "points lost": points,
        "checks lost": lost,
        "median seconds": round(sorted(seconds)[len(seconds) // 2], 1),
        "longest seconds": round(max(seconds), 1),
    }


def commit() -> str:
    """What was graded with: the last commit that changed the machine, its checks or the solutions."""
    command = ["git", "log", "-1", "--format=%h", "--", "grader", "tests/checks", "tests/*.py", "solutions"]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True).stdout.strip()


def page(lines: list[dict]) -> str:
    """The table of runs and lost points, the lines of one server and load added up."""
    loads = ("quiet", "busy", "halved", "pressure")
    machine = ", ".join(sorted({f"{line['cores']} cores and {line['gib']} GiB" for line in lines}))
    days = sorted({line["date"] for line in lines})
    dates = " to ".join(dict.fromkeys((days[0], days[-1])))
    text = [
        "# The flake certificate",
        "",
        f"Made by `tox -e certificate` on {dates} with {machine}; what the loads are stands in "
        "`tests/project/certificate.py`, and `certificate.jsonl` has a line for each series: date, commit, graders "
        "at once, seconds. A cell is runs / points lost.",
        "",
        "A point lost is a bug to be found. When it has been mended, the line of that server and load gives way to new "
        "runs, and the message of the commit that mends it says what was lost and why.",
        "",
        "In all: **{} runs, {} points lost**.".format(
            sum(line["runs"] for line in lines), sum(line["points lost"] for line in lines)
        ),
        "",
        "| server | " + " | ".join(loads) + " | all |",
        "|---|" + "--:|" * (len(loads) + 1),
    ]
    for server in dict.fromkeys(line["server"] for line in lines):
        ours = [line for line in lines if line["server"] == server]
        cells = [cell([line for line in ours if line["load"] == name]) for name in loads]
        text.append(f"| {server} | " + " | ".join(cells) + f" | {cell(ours)} |")
    return "\n".join(text) + "\n"


def cell(lines: list[dict]) -> str:
    return f"{sum(line['runs'] for line in lines)} / {sum(line['points lost'] for line in lines)}" if lines else ""


def write_page() -> int:
    lines = [json.loads(line) for line in LINES.read_text("utf-8").splitlines()]
    (REPOSITORY / "proofs" / "certificate.md").write_text(page(lines), "utf-8")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=1, help="runs of each reference under each load")
    parser.add_argument("--right", type=int, default=0, help="runs of each right server instead")
    parser.add_argument("--jobs", type=int, default=1, help="graders at once")
    parser.add_argument("--page", action="store_true", help="only make the page anew")
    parser.add_argument("--loads", default="quiet,busy,halved,pressure")
    parser.add_argument("--only", default="", help="only servers whose name has this in it")
    parser.add_argument("--steps", default="01,02,03,04,05,06,07,08")
    options = parser.parse_args()
    steps = [step for step in STEPS if step[:2] in options.steps.split(",")]
    if options.page:
        return write_page()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that it ends its loads too
    lost, count = 0, options.right or options.runs
    with tempfile.TemporaryDirectory() as folder:
        if options.right:
            right = [entry for step in steps for entry in corpus.entries("right", step)]
            servers = [(e.name, e.step, e.submit(Path(folder) / str(number))) for number, e in enumerate(right)]
        else:
            servers = [(f"solutions/{step}", step, REPOSITORY / "solutions") for step in steps]
        servers = [server for server in servers if options.only in server[0]]
        for name in options.loads.split(","):
            with load(name), ThreadPoolExecutor(options.jobs) as pool, contextlib.ExitStack() as ending:
                ending.callback(pool.shutdown, wait=False, cancel_futures=True)  # Ctrl-C does not wait for the rest
                runs = {
                    server: [pool.submit(once, name, step, submission, number) for number in range(count)]
                    for server, step, submission in servers
                }
                for server in runs:
                    line = series(name, server, options.jobs, runs[server])
                    lost += line["points lost"]
                    print(json.dumps(line), flush=True)
                    with LINES.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(line) + "\n")
    write_page()
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
