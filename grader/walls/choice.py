"""Which walls there are to be, by trying them, and the way into those that the grader itself has to be in."""

import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType

from grader import start
from grader.finding import CannotGrade
from grader.kernel import Proc
from grader.walls import Program, Walls, uids
from grader.walls.bubblewrap import Bubblewrap, first, outer
from grader.walls.user import User
from grader.workshop import Workshop

NAMES = ("none", "user", "bwrap", "auto")
WITHIN = "EIGHT_SERVERS_WITHIN"  # for a grader in the outer layer: the server's user there, 0 for its own
REPOSITORY = Path(__file__).resolve().parents[2]
HIDDEN = ("solutions", "tests")  # what a server is not to read


@contextmanager
def chosen(name: str, python: str, arguments: list[str], writable: list[Path]) -> Iterator[Walls | int]:
    """The walls for servers of this process, or, if the grader had to go in, what it has ended with there.

    arguments: of `python -m grader`, to say again inside. writable: folders into which it writes there.
    Raises CannotGrade with a line that says what to do.
    """
    if within := os.environ.get(WITHIN):
        yield Bubblewrap(int(within))
        return
    with best(name, python) as found:
        if isinstance(found, Bubblewrap):
            yield go_in(found.user.uid if found.user else 0, arguments, writable)
        else:
            yield found


@contextmanager
def best(name: str, python: str) -> Iterator[Walls]:
    """The best walls of this name that can be had here. Raises CannotGrade with a line that says why there are none."""
    if name == "none":
        yield Walls()
        return
    with ExitStack() as stack:
        refused = []
        for each, build in {"bwrap": bubblewrap, "user": user}.items():
            if name not in ("auto", each):
                continue
            try:
                found = build(stack.enter_context(uids.lent()) if not os.geteuid() else 0, python)
            except CannotGrade as error:
                refused.append(f"{each}: {error}")
                continue
            yield found
            return
        raise CannotGrade(f"--walls {name}: {'; '.join(refused)}. `--walls none` grades without any")


def bubblewrap(uid: int, python: str) -> Walls:
    """These walls, tried: both layers, and a program in them. Raises CannotGrade."""
    if uid and not shutil.which("setpriv"):
        raise CannotGrade("setpriv is not installed")
    walls = Bubblewrap(uid)
    command = [*outer([]), sys.executable, "-m", "grader.walls.choice", python]
    tried = subprocess.run(
        command, env=environment(uid), cwd=REPOSITORY, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    if tried.returncode:
        *_, last = tried.stderr.strip().splitlines() or [f"status {tried.returncode}"]
        raise CannotGrade(last)
    return walls


def user(uid: int, python: str) -> Walls:
    """These walls, tried. Raises CannotGrade."""
    if not uid:
        raise CannotGrade("only root can be another user")
    walls = User(uid, tuple(f"{name}/" for name in HIDDEN if is_open(REPOSITORY / name)))
    attempt(walls, python)
    return walls


def is_open(path: Path) -> bool:
    """Whether it is there (a bundle holds no solutions) and everybody may come in."""
    if not path.exists():
        return False
    modes = [each.stat().st_mode for each in (path, *path.parents)]
    return all(mode & stat.S_IXOTH for mode in modes) and bool(modes[0] & stat.S_IROTH)


def attempt(walls: Walls, python: str) -> None:
    """Start something that sleeps and see what the checks have to see of a server. Raises CannotGrade."""
    workshop = Workshop()
    try:
        walls.prepare(workshop.path)
        walls.site = workshop.folder("site")
        walls.give(walls.site)
        script = workshop.folder("copy") / "server.py"
        script.write_text("import time\nprint('here', flush=True)\ntime.sleep(1000)\n")
        look(walls, Program([python, str(script)], script, workshop.folder("work"), {"PATH": os.defpath}, 0))
    finally:
        walls.close()
        workshop.remove()


def look(walls: Walls, program: Program) -> None:
    reader, writer = os.pipe2(os.O_CLOEXEC)
    body = walls.start(Program(**{**vars(program), "output": writer}))
    os.close(writer)
    try:
        with open(reader, "rb") as output:
            said = output.readline()
        if said != b"here\n":
            raise CannotGrade(said.decode("utf-8", "replace").strip() or "a program does not run behind them")
        if walls.proc.descriptor(body.pid, 1) == "" or walls.proc.call(body.pid, body.pid)[0] is None:
            raise CannotGrade("the kernel does not tell of a server's descriptors and system calls")
    finally:
        body.popen.kill()
        body.kill()
        body.popen.wait()


def environment(uid: int) -> dict[str, str]:
    """Ours, without the process to end with: inside nobody has that number, and bubblewrap ends with us."""
    given = {name: value for name, value in os.environ.items() if name != start.PARENT}
    return {**given, WITHIN: str(uid)}


def go_in(uid: int, arguments: list[str], writable: list[Path]) -> int:
    """Run the grader again in the outer layer, hand on the signals that end it, and return its exit status."""
    for folder in writable:
        folder.mkdir(parents=True, exist_ok=True)
    said, say = os.pipe2(os.O_CLOEXEC)
    command = outer(list(dict.fromkeys(writable)))
    command[1:1] = ["--info-fd", str(say)]
    popen = subprocess.Popen(
        [*command, sys.executable, "-m", "grader", *arguments],
        env=environment(uid),
        pass_fds=(say,),
        start_new_session=True,  # a terminal's Ctrl-C comes to us alone
    )
    os.close(say)

    try:
        with open(said, "rb") as told:
            grader = first(popen, told.read(), Proc())[1]
    except CannotGrade:
        popen.wait()
        raise CannotGrade("--walls bwrap: bwrap could not build the walls") from None

    def hand_on(number: int, _: FrameType | None) -> None:
        with suppress(ProcessLookupError):
            os.kill(grader, number)

    start.on_signals((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), hand_on)
    status = popen.wait()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    try:
        attempt(Bubblewrap(int(os.environ[WITHIN])), sys.argv[1])
    except CannotGrade as error:
        sys.exit(str(error))
