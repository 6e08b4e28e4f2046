"""The eight models side by side: one scene played with each solution, and what it looked like.

    python tests/project/models.py             writes .tox/report/models.html, with the learner's server as a ninth
    python tests/project/models.py 05          the learner's step 5; not said: the one that was written to last
    python tests/project/models.py --proofs    writes proofs/models.html and .svg, which have our eight alone

Five clients send half a request each, in order. Then they end their requests, the last to come first; each
waits for its answer until it has it, or until the kernel shows that it cannot come yet.
"""

import argparse
import os
import sys
import time
from datetime import date
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
sys.path[:0] = [str(HERE), str(REPOSITORY)]

from grader import STEPS  # noqa: E402
from grader.client import Client, request  # noqa: E402
from grader.finding import CannotGrade, Finding  # noqa: E402
from grader.grading import Grading, step_named  # noqa: E402
from grader.learn import home  # noqa: E402
from grader.proof import look  # noqa: E402
from grader.report import files, page  # noqa: E402
from grader.story import tell  # noqa: E402
from grader.subject import Server  # noqa: E402

CLIENTS = 5

#: Step -> the model's name, and what to look for in its picture.
MODELS = {
    "01_blocking": (
        "Blocking",
        "The staircase. The server sleeps on client #1's socket, and the four others lie in the backlog, though "
        "their requests are whole long before. When client #1 goes on, they are served one after the other, in the "
        "order in which they came and not in that in which they asked.",
    ),
    "02_multiprocess": (
        "Processes",
        "Nobody waits for anybody: who ends its request first is answered first. Each client has a process of its "
        "own, asleep on that client's socket, and a lane ends with its client. The main process only waits for the "
        "next.",
    ),
    "03_multithread": (
        "Threads",
        "Nobody waits, and the lanes are those of the processes, but all of them within one: it holds all the "
        "sockets, each under a number of its own.",
    ),
    "04_gevent": (
        "Greenlets",
        "Nobody waits, and of five greenlets the kernel sees nothing: one thread, asleep in gevent's loop.",
    ),
    "05_nonblocking": (
        "Non-blocking sockets",
        "Nobody waits, with one thread and no library. Between two rounds it takes a nap, from which no client can "
        "wake it; then it asks every socket again.",
    ),
    "06_keepalive": (
        "Long connections",
        "As before, but a thin line goes on after each answer: the connection stays open for the next request.",
    ),
    "07_epoll": (
        "epoll",
        "Nobody waits, and the one thread does nothing while there is nothing to do: it sleeps in epoll until the "
        "kernel names a socket. There is no nap.",
    ),
    "08_epoll_keepalive": (
        "epoll and long connections",
        "Both together: one thread asleep in epoll, and connections that stay.",
    ),
}


def see(server: Server) -> None:
    """Note what the threads do now."""
    server.prover.sights.note(time.monotonic(), look(server.launch.proc, server.launch.family).tasks)


def play(server: Server) -> list[tuple[str, str]]:
    """The scene; what the kernel showed while all five had sent half a request."""
    head = request("/page1.txt")
    crowd = []
    for _ in range(CLIENTS):
        client = server.client()
        client.send(head[:20])
        server.until(lambda client=client: server.has_read(client))
        see(server)
        crowd.append(client)
    shown = kernel_facts(server, crowd)
    for client in reversed(crowd):
        client.send(head[20:])
        server.until(lambda client=client: client.replies or client.ended)
        see(server)
    server.must(lambda: all(client.replies for client in crowd), "an answer for all five in the end")
    server.until(lambda: server.long or all(client.ended for client in crowd))
    see(server)
    return shown


def kernel_facts(server: Server, crowd: list[Client]) -> list[tuple[str, str]]:
    held = [(client, pids) for client, pids in server.all_holders(crowd)]
    main = sum(server.main in pids for _, pids in held)
    others = sum(bool(pids - {server.main}) for _, pids in held)
    nobody = sum(not pids for _, pids in held)
    where = [(main, "in the main process"), (others, "in a process of their own"), (nobody, "in the backlog")]
    return [
        ("processes", str(len(server.living()))),
        ("threads", str(len(server.tasks()))),
        ("descriptors of the main process", str(server.descriptors())),
        ("the five clients", ", ".join(f"{count} {place}" for count, place in where if count)),
    ]


def model(submission: Path, step: str, owner: str = "") -> page.Model:
    """The scene with one server. Raises CannotGrade or Finding; who is not served in the end is no reason to."""
    name, look_for = MODELS[step]
    look_for = f"What ours shows should show here too. {look_for}" if owner else look_for
    grading = Grading(submission, step)
    try:
        server = grading.start()
        server.begin_story()
        facts = play(server)
        return page.Model(step, f"{owner}{name}", look_for, facts, tell(server, time.monotonic()), bool(owner))
    finally:
        grading.close()


def written_last() -> str:
    """The step of the learner's in which no TODO is left and that was changed last; "" if there is none."""
    done = [step for step in STEPS if home.script(step).exists() and not home.open_todo(step)]
    return max(done, key=lambda step: home.script(step).stat().st_mtime, default="")


def ninth(step: str) -> list[page.Model]:
    """The learner's server, or none and a line that says why."""
    if not step:
        print("yours: none yet; a server in which no TODO is left is shown beside these eight")
        return []
    try:
        return [model(home.script(step).parents[1], step, "Yours: ")]
    except (CannotGrade, Finding) as error:
        print(f"yours, {step}: it is not shown: {error}", file=sys.stderr)
        return []


def main() -> int:
    parser = argparse.ArgumentParser(description="Play one scene with each of the eight servers.")
    parser.add_argument("step", nargs="?", default="", help="which server of yours is shown beside them")
    parser.add_argument("--html", type=Path, default=REPOSITORY / ".tox" / "report" / "models.html")
    parser.add_argument("--proofs", action="store_true", help="write into proofs/, and show ours alone")
    options = parser.parse_args()
    models = []
    try:
        own = step_named(options.step) if options.step else written_last()
        for step in STEPS:
            models.append(model(REPOSITORY / "solutions", step))
            print(f"{step}: {'; '.join(f'{label} {value}' for label, value in models[-1].facts)}", flush=True)
    except (CannotGrade, Finding) as error:
        print(error, file=sys.stderr)
        return 1 if isinstance(error, Finding) else 2
    path = REPOSITORY / "proofs" / "models.html" if options.proofs else options.html
    text, image = page.render_models(models if options.proofs else [*models, *ninth(own)], str(date.today()))
    files.write_whole(path, text)
    if options.proofs:
        files.write_whole(path.with_suffix(".svg"), image)
    print(f"picture: {os.path.relpath(path)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
