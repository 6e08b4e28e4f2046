"""Whom the bench can measure: our references, a submission beside them, and peers; how each is started."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import CannotMeasure
from grader.grading import REPOSITORY
from grader.intake import receive_one
from grader.intake.layout import SERVER

SHORT, LONG = "short", "long"
MODES = {
    SHORT: "short connections: a new one for every request",
    LONG: "long connections: each for many requests",
}
REFERENCE, SUBMISSION, PEER = "reference", "submission", "peer"
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Place:
    """What a server is told: where to listen, the folder to serve, the bytes of the file that will be asked for."""

    python: str
    port: int
    root: Path
    folder: Path  # its own, to work in
    size: int
    mode: str


@dataclass(frozen=True)
class Server:
    """`command`: the place -> the program and its arguments. `modes`: the kinds of connection that it speaks."""

    name: str
    kind: str
    modes: tuple[str, ...]
    command: Callable[[Place], list[str]]
    step: str = ""


def ours(step: str, folder: Path, kind: str) -> Server:
    """A `server.py` of the kata. Raises CannotGrade if the folder has none for this step."""
    snapshot = receive_one(folder, step)

    def command(place: Place) -> list[str]:
        script = place.folder / step / SERVER
        if not script.exists():
            snapshot.write(script.parent)
        return [place.python, str(script), "--port", str(place.port), "--root", str(place.root)]

    whose = "ours" if kind == REFERENCE else "yours"
    return Server(f"{step[:2]} {whose}", kind, (SHORT, LONG) if "keepalive" in step else (SHORT,), command, step)


def of_steps(steps: list[str], submission: Path | None) -> list[Server]:
    found = []
    for step in steps:
        found.append(ours(step, REPOSITORY / "solutions", REFERENCE))
        if submission:
            found.append(ours(step, submission, SUBMISSION))
    return found


# Peers

NGINX_CONF = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        root {root};
    }}
}}
"""


def nginx_program() -> str | None:
    """Debian keeps it where only root's PATH looks."""
    return shutil.which("nginx", path=os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin")))


def nginx(place: Place) -> list[str]:
    conf = place.folder / "nginx.conf"
    conf.write_text(NGINX_CONF.format(folder=place.folder, port=place.port, root=place.root))
    return [nginx_program() or "nginx", "-p", str(place.folder), "-c", str(conf)]


def nginx_version() -> str:
    """As `nginx -v` says on standard error: nginx version: nginx/1.22.1."""
    said = subprocess.run([nginx_program() or "nginx", "-v"], capture_output=True, text=True).stderr.split()
    return said[2].rpartition("/")[2] if len(said) > 2 else "unknown"


def floor(place: Place) -> list[str]:
    return [place.python, str(HERE / "floor.py"), str(place.port), str(place.size), place.mode]


def peer(name: str, *modes: str) -> Server:
    def command(place: Place) -> list[str]:
        return [place.python, str(HERE / "peers.py"), name, str(place.port), str(place.root), place.mode]

    return Server(name, PEER, modes, command)


#: In the order of the tables. The first that is there is what the others are compared with.
PEERS = (
    Server("nginx", PEER, (SHORT, LONG), nginx),
    Server("floor", PEER, (SHORT, LONG), floor),
    peer("granian", SHORT, LONG),
    peer("waitress", SHORT, LONG),
    peer("cheroot", SHORT, LONG),
    peer("gevent.pywsgi", SHORT, LONG),
    peer("http.server", SHORT, LONG),
    peer("ForkingMixIn", SHORT),
)
PACKAGES = {"granian": "granian", "waitress": "waitress", "cheroot": "cheroot", "gevent.pywsgi": "gevent"}


def peers_named(names: str) -> list[Server]:
    """`all`, `none`, or names with commas. Raises CannotMeasure."""
    if names in ("all", "none"):
        return list(PEERS) if names == "all" else []
    known = {server.name: server for server in PEERS}
    wanted = [name.strip() for name in names.split(",")]
    for name in wanted:
        if name not in known:
            raise CannotMeasure(f"there is no peer {name!r}; there are {', '.join(known)}, or all, or none")
    return [server for server in PEERS if server.name in wanted]


def versions(python: str) -> dict[str, str]:
    """What there is: of that Python and its packages, and nginx. Raises CannotMeasure if it is no Python."""
    try:
        done = subprocess.run([python, str(HERE / "peers.py"), "versions"], capture_output=True, text=True)
        found: dict[str, str] = json.loads(done.stdout)
    except (OSError, ValueError):
        raise CannotMeasure(f"--python: {python} does not run as a Python; name one of 3.10 or newer") from None
    return found | ({"nginx": nginx_version()} if nginx_program() else {})


def missing(server: Server, found: dict[str, str], python: str) -> str:
    """Why a peer is left out, and how to get it, in a line; "" if it is there."""
    if server.name == "nginx" and "nginx" not in found:
        return "nginx is not there: apt install nginx (Debian, Ubuntu)"
    package = PACKAGES.get(server.name)
    if package and package not in found:
        return f"{server.name} is not there: {python} -m pip install {package}"
    return ""
