"""Every attack of `hostile/` succeeds where nothing stops it, and fails behind each wall that is said to stop it."""

import gzip
import json
import os
import re
import runpy
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
from contextlib import suppress

import arena
import pytest
import requests
from tools import REPOSITORY

from grader.client import Client, request
from grader.finding import CannotGrade

sys.path.insert(0, str(REPOSITORY))

from tests.checks.session import Session, get

ATTACKS = {attack.name: attack for attack in arena.attacks()}
#: Where nothing is around it; each wall; and bubblewrap for somebody who is not root, with user namespaces.
PLACES = (*arena.WALLS, "bwrap of a user")
NOBODY = 61_999
PYTHON = "/usr/bin/python3"  # one that everybody may run


def as_nobody(wall):
    """The same as `arena.tried`, by a user who is not root."""
    drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all"]
    command = [*drop, "--bounding-set=-all", PYTHON, "-B", arena.__file__, "json", wall]
    clean = {"PATH": os.environ["PATH"], "HOME": "/tmp"}
    done = subprocess.run(command, cwd="/", env=clean, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise CannotGrade((done.stderr.strip().splitlines() or ["no result"])[-1])
    return json.loads(done.stdout)


@pytest.fixture(scope="module", params=PLACES)
def outcomes(request):
    """A place, and all attacks tried there once: name -> whether it succeeded, and what was seen."""
    wall = request.param.split()[0]
    try:
        if request.param == wall:
            return wall, arena.tried(wall, [])
        if os.geteuid():
            pytest.skip("the grader is not root, so that is what 'bwrap' has tried")
        return wall, as_nobody(wall)
    except CannotGrade as error:
        pytest.skip(f"{request.param}: {error}")


@pytest.mark.parametrize("name", ATTACKS)
def test_attack(outcomes, name):
    """What the table says is so: stopped, or not."""
    wall, tried = outcomes
    attack = ATTACKS[name]
    if wall == "none" and os.geteuid() and attack.needs_root:
        pytest.skip("only root can do that anyway")
    succeeded, seen = tried[name]
    assert succeeded == (wall not in attack.stopped_by), seen


def test_there_are_enough():
    """At least thirty, each with its own word of what it does."""
    assert len({attack.note("Attack") for attack in ATTACKS.values()}) == len(ATTACKS) >= 30


def test_table():
    """GRADING.md says of each attack which walls stop it: `python tests/project/arena.py table` writes it."""
    page = (REPOSITORY / "GRADING.md").read_text("utf-8")
    assert arena.written(page) == page


HTTP = {path.stem: runpy.run_path(str(path)) for path in sorted((arena.HERE / "hostile" / "http").glob("*.py"))}
WITHIN, KEPT = 3.0, 24 << 20  # seconds and bytes, that are more than any client of ours takes


class Hostile:
    """A server that answers every connection so; OTHER in its answers is the port of another, who counts who comes."""

    def __init__(self, attack):
        self.attack = attack
        self.over = threading.Event()
        self.server, self.other = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
        self.address, self.elsewhere = self.server.getsockname(), self.other.getsockname()
        self.came_elsewhere = 0
        threading.Thread(target=self.accept, args=(self.server, self.answer), daemon=True).start()
        threading.Thread(target=self.accept, args=(self.other, self.count), daemon=True).start()

    def accept(self, listener, then):
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=then, args=(peer,), daemon=True).start()

    def count(self, peer):
        self.came_elsewhere += 1
        peer.close()

    def answer(self, peer):
        with peer, suppress(OSError):
            peer.recv(65536)
            peer.sendall(self.attack["FIRST"].replace(b"OTHER", b"%d" % self.elsewhere[1]))
            while then := self.attack["THEN"]:
                self.over.wait(self.attack.get("PAUSE", 0))
                peer.sendall(then)
            self.over.wait()

    def close(self):
        self.over.set()
        for each in (self.server, self.other):
            each.shutdown(socket.SHUT_RDWR)
            each.close()


@pytest.fixture
def served(request):
    server = Hostile(HTTP[request.param])
    yield server
    server.close()


class Naive:
    """A client that believes what it is told, as one writes it in an hour. The bounds are those of the test."""

    def __init__(self, address):
        self.socket = socket.create_connection(address, timeout=1)  # in which nothing comes
        self.data, self.end = bytearray(), time.monotonic() + WITHIN

    def more(self):
        chunk = self.socket.recv(1 << 20)
        self.data += chunk
        if len(self.data) > KEPT:
            raise Hurt("kept")
        if time.monotonic() > self.end and len(self.data) < KEPT // 100:
            raise Hurt("waited")
        return chunk

    def get(self):
        self.socket.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n")
        while b"\r\n\r\n" not in self.data or self.data.startswith(b"HTTP/1.1 100"):
            if self.data.startswith(b"HTTP/1.1 100") and b"\r\n\r\n" in self.data and self.interim():
                continue
            self.more()
        head, _, self.data = self.data.partition(b"\r\n\r\n")
        if found := re.search(rb"Location: http://127.0.0.1:(\d+)", head):
            socket.create_connection(("127.0.0.1", int(found[1]))).close()
            raise Hurt("led")
        length = re.search(rb"Content-Length: (\d+)", head)
        while length is None or len(self.data) < int(length[1]):
            if not self.more():
                break
        size = int(length[1]) if length else len(self.data)
        body, self.data = self.data[:size], self.data[size:]
        if b"gzip" in head and len(body := gzip.decompress(body)) > KEPT:
            raise Hurt("kept")
        return body

    def interim(self):
        """Pass over announcements; for ever, if there is no end of them."""
        if time.monotonic() > self.end:
            raise Hurt("kept")
        self.data = self.data.partition(b"\r\n\r\n")[2]
        return self.data


class Hurt(Exception):
    pass


@pytest.mark.parametrize(("served", "name"), [(name, name) for name in HTTP], indirect=["served"])
def test_naive_clients_are_hurt(served, name):
    """What these servers do is an attack: a client that believes them takes the harm that they say."""
    hurts = re.search(r"^Hurts: (.*)", HTTP[name]["__doc__"], re.M)[1]
    client = Naive(served.address)
    try:
        with client.socket:
            client.get()
            time.sleep(0.2)
            harm = "deceived" if client.get() == b"fake" else "not at all"
    except Hurt as hurt:
        harm = str(hurt)
    assert harm == hurts


@pytest.mark.parametrize(("served", "name"), [(name, name) for name in HTTP], indirect=["served"])
def test_clients_of_ours_are_not(served, name):
    """Both of ours come to an end, keep a bounded part, and go where they were told to go."""
    tracemalloc.start()
    try:
        began = time.monotonic()
        with Session() as session:
            try:
                status, body = get(session, f"http://127.0.0.1:{served.address[1]}/", timeout=1, limit=WITHIN)
            except requests.RequestException:
                status, body = 0, b""
        client = Client("client #1", served.address, set())
        client.send(request("/"))
        while not client.malformed and not client.replies and time.monotonic() < began + 1.5 * WITHIN:
            client.pump()
        if name == "smuggled":
            while not client.malformed:
                client.pump()
        client.close()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert body in (b"", b"ok") and status in (0, 200, 302)
    assert peak < 3 * KEPT and served.came_elsewhere == 0
    assert client.malformed or name in ("drip", "redirect", "gzip_bomb")
