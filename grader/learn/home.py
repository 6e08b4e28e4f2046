"""The learner's own server: where it is, back to the skeleton, and run."""

import argparse
import os
import re
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from pathlib import Path

from grader.finding import CannotGrade
from grader.grading import REPOSITORY, TODO
from grader.kernel import Proc, sockets
from grader.learn import site
from grader.learn.skeleton import cut, held_by_git
from grader.report.files import write_whole

COMMENT = re.compile(r"( *)# TODO (\d+)\b")
ADDRESS = "127.0.0.1", 7890  # the defaults of every server.py


def script(step: str) -> Path:
    return REPOSITORY / "steps" / step / "server.py"


def solution(step: str) -> Path:
    return REPOSITORY / "solutions" / step / "server.py"


def source(step: str) -> str:
    """The learner's file. Raises CannotGrade with what to do if there is none."""
    path = shown(script(step))
    try:
        return script(step).read_text("utf-8", "replace")
    except FileNotFoundError:
        raise CannotGrade(f"{path} is not there; `./toxw -e reset -- {step[:2]}` puts the skeleton there") from None
    except OSError as error:
        raise CannotGrade(f"{path} cannot be read: {error.strerror}") from None


def shown(path: Path) -> str:
    return os.path.relpath(path)


def skeleton(step: str) -> str:
    return cut(solution(step).read_text("utf-8"))


def open_todo(step: str) -> str:
    """The TODO that is next in the learner's file, as "TODO n: ..."; "" if none is left."""
    found = TODO.findall(source(step))
    return min(found, key=lambda match: int(match[1]))[0] if found else ""


def task(step: str, number: int) -> str:
    """A TODO as the skeleton has it, whether it is written or not."""
    return next(str(todo) for todo, n in TODO.findall(skeleton(step)) if int(n) == number)


def todo_at(step: str, number: int) -> int:
    """The TODO that a line of the learner's file was written for, by the comments that the skeleton has; 0 if none.

    What was written for it ends where the skeleton goes on, or where the text is indented less.
    """
    before = skeleton(step).split("\n")
    found = 0
    goes_on, indent = "", 0
    for line in source(step).split("\n")[:number]:
        if comment := COMMENT.match(line):
            found, indent = int(comment[2]), len(comment[1])
            goes_on = after_todo(before, found)
        elif found and line.strip() and (line.strip() == goes_on or len(line) - len(line.lstrip()) < indent):
            found = 0
    return found


def after_todo(lines: list[str], number: int) -> str:
    """The line with which a skeleton goes on behind a TODO."""
    at = next((i for i, line in enumerate(lines) if (found := TODO.search(line)) and int(found[2]) == number), -1)
    return next((line.strip() for line in lines[at + 1 :] if line.strip()), "") if at >= 0 else ""


def reset(options: argparse.Namespace) -> int:
    path, text = script(options.step), skeleton(options.step)
    there = path.exists()
    if there:
        if path.read_bytes() == text.encode():
            print(f"{shown(path)} is the skeleton already")
            return 0
        if not held_by_git(path):
            keep = f"`git add {shown(path)} && git commit -m 'Step {options.step[:2]}'` keeps it"
            raise CannotGrade(f"{shown(path)} has changes that git does not hold, so nothing was done; {keep}")
    write_whole(path, text)
    said = "is the skeleton again" if there else "was not there, and is the skeleton now"
    committed = in_git(path)
    if committed is not None and committed != text.encode():
        said += f"; `git checkout HEAD -- {shown(path)}` brings back what git holds"
    elif not there:
        said += "; git holds no other"
    print(f"{shown(path)} {said}")
    return 0


def in_git(path: Path) -> bytes | None:
    """The file as it was committed last; None if it was not, or if there is no git."""
    try:
        shows = ["git", "-C", str(path.parent), "cat-file", "blob", f"HEAD:./{path.name}"]
        return subprocess.run(shows, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None


def run(options: argparse.Namespace) -> int:
    """Run a server until it ends or Ctrl-C. Before what is for server.py may stand `--site` and `--submission DIR`."""
    own = argparse.ArgumentParser(prog="./toxw -e run --", add_help=False, allow_abbrev=False)
    own.add_argument("--site", action="store_true")
    own.add_argument("--submission", type=Path, default=None)
    mine, rest = own.parse_known_args(options.rest)
    if mine.submission is None:
        source(options.step)
    program = mine.submission / options.step / "server.py" if mine.submission else script(options.step)
    if not program.is_file():
        raise CannotGrade(f"{program} is not there; give the folder that holds it, and an archive unpacked")
    if not any(word.startswith("--port") for word in rest) and in_use():
        raise CannotGrade(f"port {ADDRESS[1]} is in use; end what listens there, or add `--port 0` after the step")
    if not mine.site:
        return serve(program, rest)
    with site.laid_out(options.kept / "site") as root:
        print(f"serving the grader's site, {shown(root.path)}; it is removed in the end", flush=True)
        return serve(program, ["--root", str(root.path), *rest])


def serve(program: Path, arguments: list[str]) -> int:
    server = subprocess.Popen([sys.executable, str(program), *arguments])
    try:
        address = wait_for_listener(server)
        if address:
            browse("http://{}:{}/".format(*address))
        status = server.wait()
        return 0 if status == -signal.SIGINT else status  # Ctrl-C reaches the server too, perhaps first
    except KeyboardInterrupt:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
            print("it did not end within 5 s of Ctrl-C and was killed")
        return 0


def browse(address: str) -> None:
    """Open it where there is somebody who sees that: a terminal with a desktop around it."""
    if sys.stdout.isatty() and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        webbrowser.open(address)


def open_page(kept: Path, step: str) -> None:
    """Open the newest page of a step, and say where it is."""
    pages = [path for path in (kept / "report").glob(f"step{step[:2]}*.html") if path.is_file()]
    if not pages:
        print("there is no page yet: a run that comes to its end writes one")
        return
    newest = max(pages, key=lambda path: path.stat().st_mtime)
    print(f"picture: {shown(newest)}")
    browse(newest.absolute().as_uri())


def in_use() -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(ADDRESS)
        except OSError:
            return True
    return False


def wait_for_listener(server: subprocess.Popen[bytes], patience: float = 20.0) -> tuple[str, int] | None:
    """Where it listens, seen in the kernel; None if it ends or takes too long."""
    proc = Proc()
    facts = sockets(proc)
    end = time.monotonic() + patience
    while server.poll() is None and time.monotonic() < end:
        held = set(proc.descriptors(server.pid).values())
        for row in facts.listeners():
            if f"socket:[{row.inode}]" in held:
                return row.address
        time.sleep(0.05)
    return None
