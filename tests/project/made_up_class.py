"""A class that nobody was in: right, wrong, broken and hostile submissions, as they are handed in. And what it costs.

    python tests/project/made_up_class.py make DIR [--count 60] [--steps 01] [--seed 1]
    python tests/project/made_up_class.py measure [--counts 10,20,40,60] [--steps 01] [--walls auto]
    python tests/project/made_up_class.py prove [--count 60] [--steps 01] [--walls auto]

`measure` grades classes of these sizes, with one job and with as many as there are processors, and says submissions a
minute, how the cost of one changes with the size, and how well jobs share the machine: ratios of one run. The larger
classes are the smallest several times over, so that only their size differs. It wants a machine that does nothing else.

`prove` grades one class undisturbed; killed five times (SIGKILL) on its way, at moments that nobody has chosen; in four
parts that are merged; and by two workers of Dask's, of which one is killed: the books are compared byte by byte, and
what is left on the machine with what was there. Exit status 1 if anything differs.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import corpus

sys.path.insert(0, str(corpus.REPOSITORY))

from grader.grading import step_named
from grader.report.text import in_a_line

HERE = Path(__file__).resolve().parent
#: Of a hundred students: what they hand in.
KINDS = {"ours": 20, "right": 20, "wrong": 35, "skeleton": 8, "broken": 7, "hostile": 5, "unreadable": 5}
NAMES = ["Ada", "Alan", "Barbara", "Brian", "Dennis", "Donald", "Edsger", "Grace", "John", "Ken", "Leslie", "Niklaus"]
BROKEN = [
    "",
    "import nothing_of_the_kind\n",
    "def main(:\n",
    "while True: pass\n",
    "raise SystemExit(3)\n",
    "print(1)\n",
]

#: What a server does first. None is worse than rude where nothing is around it: tests/project/hostile has what is.
HOSTILE = [
    "import os, time; [os.fork() or time.sleep(20) for _ in range(8)]",
    "import threading; [threading.Thread(target=threading.Event().wait).start() for _ in range(400)]",
    "print('::error::forged result, 100 points\\x1b[2J' * 500_000, flush=True)",
    "import os; [os.makedirs('d/' * 200 + str(n)) for n in range(20)]",
    "kept = bytearray(200 << 20)",
    "import signal; [signal.signal(n, signal.SIG_IGN) for n in (1, 2, 15)]",
    "import socket; kept = [socket.create_server(('127.0.0.1', 0)) for _ in range(99)]",
]


def source(kind: str, step: str, choice: random.Random) -> str:
    """The text of one server.py."""
    if kind in ("ours", "skeleton"):
        folder = "solutions" if kind == "ours" else "steps"
        return (corpus.REPOSITORY / folder / step / "server.py").read_text(encoding="utf-8")
    if kind == "broken":
        return choice.choice(BROKEN)
    if kind == "hostile":
        ours = source("ours", step, choice)
        return ours.replace(
            'if __name__ == "__main__":\n', f'if __name__ == "__main__":\n    {choice.choice(HOSTILE)}\n'
        )
    found = [one for one in corpus.entries("right" if kind == "right" else "wrong", step) if not one.lacks]
    return choice.choice(found).source


def hand_in(folder: Path, kind: str, steps: list[str], choice: random.Random) -> None:
    """One submission, in one of the ways of people and systems."""
    if kind == "unreadable":
        way = choice.choice(["empty", "link", "zip"])
        if way == "empty":
            folder.mkdir()
        elif way == "link":
            folder.symlink_to("/etc")
        else:
            folder.with_suffix(".zip").write_bytes(b"PK\3\4" + choice.randbytes(500))
        return
    for step in steps:
        (folder / step).mkdir(parents=True)
        (folder / step / "server.py").write_text(source(kind, step, choice), encoding="utf-8")
    way = choice.choice(["folder", "folder", "zip", "tar", "wrapped"])
    if way == "wrapped":
        (folder / "eight-servers-main").mkdir()
        for step in steps:
            (folder / step).rename(folder / "eight-servers-main" / step)
    elif way == "zip":
        with zipfile.ZipFile(f"{folder}.zip", "w") as packed:
            for step in steps:
                packed.write(folder / step / "server.py", f"{step}/server.py")
        shutil.rmtree(folder)
    elif way == "tar":
        with tarfile.open(f"{folder}.tar.gz", "w:gz") as packed:
            packed.add(folder, folder.name)
        shutil.rmtree(folder)


def make(folder: Path, count: int, steps: list[str], seed: int, again: int = 0) -> None:
    """The same class for the same numbers; a larger one begins with the smaller. again: so many hand in what they do,
    and so do all others after them, in turn.
    """
    folder.mkdir(parents=True)
    for number in range(count):
        choice = random.Random(f"{seed} {number % again if again else number}")
        (kind,) = choice.choices(list(KINDS), list(KINDS.values()))
        hand_in(folder / f"{choice.choice(NAMES)}_{number:05}_{kind}", kind, steps, choice)


def grade(folder: Path, out: Path, options: argparse.Namespace, jobs: int) -> float:
    """Seconds that the batch took."""
    began = time.monotonic()
    done = subprocess.run(
        batch(folder, out, options, "--jobs", str(jobs)), cwd=corpus.REPOSITORY, capture_output=True, text=True
    )
    if done.returncode == 2:
        sys.exit(in_a_line(done.stderr.strip()))
    return time.monotonic() - began


def measure(options: argparse.Namespace) -> None:
    many = options.jobs
    print(f"steps {options.steps}, walls {options.walls}, {os.cpu_count()} processors")
    print("students  jobs  seconds  a minute  seconds each  / smallest")
    each: dict[tuple[int, int], float] = {}
    with tempfile.TemporaryDirectory(prefix="class-") as scratch:
        counts = sorted(map(int, options.counts.split(",")))
        for count in counts:
            make(Path(scratch, f"class-{count}"), count, steps_of(options), options.seed, again=counts[0])
            for jobs in (1, many) if count == counts[0] else (many,):
                took = grade(Path(scratch, f"class-{count}"), Path(scratch, f"out-{count}-{jobs}"), options, jobs)
                each[count, jobs] = took / count
                ratio = each[count, jobs] / each[counts[0], jobs]
                print(
                    f"{count:8} {jobs:5} {took:8.1f} {60 * count / took:9.1f} {took / count:13.2f} {ratio:11.2f}",
                    flush=True,
                )
    speed = each[counts[0], 1] / each[counts[0], many]
    print(f"{many} jobs against one, {counts[0]} students: {speed:.2f} times as fast, efficiency {speed / many:.2f}")


def batch(folder: Path, out: Path, options: argparse.Namespace, *more: str) -> list[str]:
    command = [sys.executable, "-m", "grader.batch", str(folder), "--out", str(out), "--steps", options.steps]
    command += ["--walls", options.walls, "--attempts", "1", *more]
    return command + (["--grader", options.grader] if options.grader else [])


def killed(folder: Path, out: Path, options: argparse.Namespace) -> str:
    """Killed five times, each time some moments after it has graded another few, then left to end."""
    command = batch(folder, out, options, "--jobs", str(options.jobs))
    graded = [0]
    for left in range(6, 1, -1):
        aim = graded[-1] + random.randint(1, max(1, (options.count - graded[-1]) // left))
        process = subprocess.Popen(command, cwd=corpus.REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and len(list(out.glob("*/entry.json"))) < aim:
            time.sleep(0.2)
        time.sleep(random.uniform(0, 3))
        process.kill()
        process.wait()
        graded.append(len(list(out.glob("*/entry.json"))))
    subprocess.run(command, cwd=corpus.REPOSITORY, capture_output=True)
    return f"killed when {', '.join(map(str, graded[1:]))} were graded"


def in_parts(folder: Path, out: Path, options: argparse.Namespace) -> str:
    parts = [str(out.with_name(f"{out.name}-{n}")) for n in range(1, 5)]
    for n, part in enumerate(parts, 1):
        more = ("--jobs", str(options.jobs), "--shard", f"{n}/4")
        subprocess.run(batch(folder, Path(part), options, *more), cwd=corpus.REPOSITORY, capture_output=True)
    merging = [sys.executable, "-m", "grader.batch.merge", *parts, "--out", str(out)]
    subprocess.run(merging, cwd=corpus.REPOSITORY, capture_output=True)
    return "in four parts, merged"


def by_dask(folder: Path, out: Path, options: argparse.Namespace) -> str:
    """The first worker is killed once a student has been graded."""
    from distributed import Client, LocalCluster

    local = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "silence_logs": 60}
    with LocalCluster(**local, local_directory=str(out.parent)) as found, Client(found) as client:
        command = batch(folder, out, options, "--scheduler", found.scheduler_address)
        process = subprocess.Popen(command, cwd=corpus.REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not (graded := len(list(out.glob("*/entry.json")))) and process.poll() is None:
            time.sleep(0.2)
        os.kill(client.run(os.getpid).popitem()[1], signal.SIGKILL)
        process.wait()
    return f"two workers of Dask's, one of them killed when {graded} was graded"


def the_book(out: Path) -> dict[str, bytes]:
    """What is the same for all: bytes by name."""
    return {path.name: path.read_bytes() for path in out.glob("*") if path.suffix in (".csv", ".html")}


def left_here() -> set[str]:
    """What a grader could leave: files in the folders that all may write to, IPC, and who listens."""
    found = {str(path) for place in ("/tmp", "/var/tmp", "/dev/shm") for path in Path(place).glob("*")}
    for command in (["ipcs", "-a"], ["ss", "-Hltn"]):
        done = subprocess.run(command, capture_output=True, text=True)
        found |= {f"{command[0]}: {line}" for line in done.stdout.splitlines()}
    return found


def prove(options: argparse.Namespace) -> int:
    before = left_here()
    differ = False
    with tempfile.TemporaryDirectory(prefix="class-") as scratch:
        folder, here = Path(scratch, "class"), Path(scratch)
        make(folder, options.count, steps_of(options), options.seed)
        took = grade(folder, here / "once", options, options.jobs)
        book = the_book(here / "once")
        rows = book["grades.csv"].decode().splitlines()
        print(
            f"undisturbed: {options.count} students, {took:.0f} s, {60 * options.count / took:.1f} a minute", flush=True
        )
        print("\n".join(rows if options.count <= 60 else rows[:20]), flush=True)
        ways: dict[str, Callable[[Path, Path, argparse.Namespace], str]] = {
            "killed": killed,
            "parts": in_parts,
            "dask": by_dask,
        }
        for name in options.ways.split(","):
            began = time.monotonic()
            how = ways[name](folder, here / name, options)
            equal = the_book(here / name) == book
            differ |= not equal
            print(
                f"{how}: {'the same bytes' if equal else 'NOT THE SAME'}, {time.monotonic() - began:.0f} s", flush=True
            )
        if options.keep:
            shutil.copytree(here, options.keep, symlinks=True, dirs_exist_ok=True)
    left = sorted(left_here() - before)
    print(f"left on the machine: {', '.join(left) or 'nothing'}")
    return 1 if differ or left else 0


def steps_of(options: argparse.Namespace) -> list[str]:
    return [step_named(word) for word in options.steps.split(",")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_subparsers(dest="what", required=True)
    making, measuring, proving = map(what.add_parser, ("make", "measure", "prove"))
    making.add_argument("folder", type=Path)
    making.add_argument("--count", type=int, default=60)
    measuring.add_argument("--counts", default="10,20,40,60")
    proving.add_argument("--count", type=int, default=60)
    proving.add_argument("--ways", default="killed,parts,dask", help="which of them")
    proving.add_argument("--keep", type=Path, help="a folder: keep the class and its books there, to look at")
    for one in (measuring, proving):
        one.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
        one.add_argument("--walls", default="auto")
        one.add_argument("--grader", default="", help="another program in its place: the cost of the batch alone")
    for one in (making, measuring, proving):
        one.add_argument("--steps", default="01")
        one.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.what == "make":
        make(options.folder, options.count, steps_of(options), options.seed)
    elif options.what == "measure":
        measure(options)
    else:
        return prove(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
