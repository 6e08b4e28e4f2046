"""What findings say is to be typed: each line is typed, beside the server that it was told of and beside the solution.

    python tests/project/hands.py [NAME ...]      every wrong server, or whose names begin so: 05, 05_nonblocking/nap
    python tests/project/hands.py --every 15      a sample
    python tests/project/hands.py --all-checks    the lines of all checks that fail, not only of those meant to

Each server of the corpus is graded; each line is run by bash, against that server and then against the solution, both
with the site of `run --site`. The fault shows if what is seen with the one is not what is seen with the other. Where
a status is what was expected, the solution's answer has it and the other's has not. A line that says where to look,
in /proc for one, must say something.
"""

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
sys.path[:0] = [str(HERE), str(REPOSITORY)]

import corpus  # noqa: E402

LOOKS = re.compile(r"pgrep -of|\bss -")  # a line that says where to look, and shows no fault by itself
LONGEST = 60  # seconds that a line may take
#: What differs from run to run with one and the same server.
PASSING = (
    (r"pid \d+|\(\d+ms\)|after \d+ ms|after \d+ milliseconds", "N"),
    (r"bash: line \d+: ", ""),
    (r"(?mi)^(Date|Last-Modified|ETag|X-Request-ID): .*$", "X: N"),
    (r"127\.0\.0\.1(:|/| port )\d+", "ADDRESS"),
    (r"(?<=left intact).*", ""),
)


@dataclass(frozen=True)
class Told:
    """A line that a check has told of a server."""

    name: str
    check: str
    expected: str
    saw: str
    repeat: str

    @property
    def line(self) -> str:
        return self.repeat.rpartition("\n")[2]


def grade(entry: corpus.Entry, everything: bool = False) -> list[dict]:
    """The findings of a server: check, expected, saw, repeat."""
    with tempfile.TemporaryDirectory() as name:
        submission, result = entry.submit(Path(name) / "submission"), Path(name) / "result.json"
        select = " or ".join(["test_answers", *(f"test_{check}" for check in entry.caught_by)])
        part = [] if everything else ["-k", select]
        command = [sys.executable, "-m", "grader", entry.step, "--submission", str(submission), *part]
        subprocess.run([*command, "--json", str(result)], cwd=REPOSITORY, capture_output=True)
        checks = json.loads(result.read_text("utf-8"))["steps"][0]["checks"]
        return [{"check": check["name"], **check["finding"]} for check in checks if check["finding"]]


def told(entry: corpus.Entry, everything: bool = False) -> list[Told]:
    found = grade(entry, everything)
    return [Told(entry.name, f["check"], f["expected"], f["saw"], f["repeat"]) for f in found]


@contextmanager
def served(program: Path, step: str):
    """`run --site` of this program, on a port that is free: its site and its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as kept:
        command = [sys.executable, "-m", "grader.learn", "run", "--kept", kept, step, "--site"]
        command += ["--submission", str(program.parents[1]), "--port", str(port)]
        run = subprocess.Popen(
            command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            end = time.monotonic() + 30
            while run.poll() is None and time.monotonic() < end and not listens(port):
                time.sleep(0.02)
            yield Path(kept) / "site" / "www", port
        finally:
            run.send_signal(signal.SIGINT)
            try:
                run.wait(15)
            except subprocess.TimeoutExpired:
                pass
            try:
                os.killpg(run.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            run.wait()


def listens(port: int) -> bool:
    """Whether somebody listens there, as /proc/net/tcp has it: no client comes, as no client came before the line."""
    return any(f":{port:04X} 00000000:0000 0A" in row for row in Path("/proc/net/tcp").read_text().splitlines())


def typed(line: str, program: Path, step: str) -> str:
    """What a person sees who types this line while the program runs."""
    with served(program, step) as (site, port):
        here = line.replace(".tox/site/www", str(site)).replace("7890", str(port))
        here = here.replace(f"python.*{program.parent.name}/server.py", f"python.*{program}")
        shell = subprocess.Popen(
            ["bash", "-c", here],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            seen = shell.communicate(timeout=LONGEST)[0]
        except subprocess.TimeoutExpired:
            os.killpg(shell.pid, signal.SIGKILL)
            seen = shell.communicate()[0] + b"\n[it did not end]"
        text = seen.decode("latin-1").replace(str(site), "SITE")
    for pattern, mask in PASSING:
        text = re.sub(pattern, mask, text)
    return text


def statuses(expected: str) -> set[str]:
    """`404 or 301 (why)` -> 404, 301; nothing if no status is what was expected."""
    found = re.match(r"(\d{3}(?:(?:,| or) \d{3})*)\b", expected)
    return set(re.findall(r"\d{3}", found[1])) if found else set()


def complaint(one: Told, program: Path, solution: Path, step: str) -> str:
    """What is wrong with this line; "" if it shows what it was told for."""
    if one.repeat and "\n" not in one.repeat:
        return "no remark that says beside what"
    if LOOKS.search(one.line):
        return "" if typed(one.line, program, step).strip() else "nothing is to be seen there"
    with ThreadPoolExecutor(2) as pool:
        bad, good = pool.map(lambda path: typed(one.line, path, step), (program, solution))
    if bad == good:
        return f"the solution shows the same: {good[:400]!r}"
    if (wanted := statuses(one.expected)) and not re.search(r"\| (cmp|wc)", one.line):
        had = set(re.findall(r"HTTP/1\.[01] (\d{3})", good))
        if not had & wanted and not ("400" in wanted and "[0: 0 ended" in good):
            return f"the solution's answer has not what was expected ({one.expected}): {good[:400]!r}"
    if "| cmp" in one.line and good.strip():
        return f"the solution's body is not the file: {good[:400]!r}"
    return ""


def tried(entry: corpus.Entry, everything: bool) -> tuple[list[Told], list[str]]:
    with tempfile.TemporaryDirectory() as name:
        program = entry.submit(Path(name)) / entry.step / "server.py"
        solution = REPOSITORY / "solutions" / entry.step / "server.py"
        lines = told(entry, everything)
        bad = []
        for one in lines:
            if one.repeat and (why := complaint(one, program, solution, entry.step)):
                bad.append(
                    f"{one.name}: {one.check}: expected {one.expected}; saw {one.saw}\n    {one.line}\n    {why}"
                )
        return lines, bad


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="only the servers whose name begins so: 05, or 05_nonblocking/nap")
    parser.add_argument("--every", type=int, default=1, help="only each so many")
    parser.add_argument("--all-checks", action="store_true", help="the lines of every check that fails")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many servers at a time")
    parser.add_argument("--show", action="store_true", help="print every line")
    options = parser.parse_args()
    wanted = tuple(f"wrong/{name}" for name in options.names) or ("wrong/",)
    entries = [each for each in corpus.entries("wrong") if each.name.startswith(wanted) and not each.lacks]
    entries = entries[:: options.every]
    count = silent = looks = wrong = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for lines, bad in pool.map(lambda entry: tried(entry, options.all_checks), entries):
            count += len(lines)
            silent += sum(not one.repeat for one in lines)
            looks += sum(bool(LOOKS.search(one.line)) for one in lines)
            wrong += len(bad)
            for one in lines if options.show else ():
                print(f"{one.name}: {one.check}: expected {one.expected}; saw {one.saw}\n    {one.line or '-'}")
            print("".join(f"!! {text}\n" for text in bad), end="", flush=True)
    shown = count - silent - looks
    print(f"{len(entries)} servers, {count} findings: {shown} lines, {looks} places, {silent} without; {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
