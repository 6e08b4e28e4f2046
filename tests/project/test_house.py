"""The grader's own house: whatever a server does, the grader is hurt by nothing of it, and ends with its own word."""

import array
import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
import tracemalloc
from pathlib import Path

import pytest
import tools
from tools import PATIENT, assert_no_process, until

from grader import budget as budget_module
from grader import grading as grading_module
from grader import launch as launch_module
from grader import lines, turns
from grader.__main__ import arguments
from grader.budget import GRACE, Budget, OutOfTime
from grader.client import UNASKED, Client, request
from grader.docroot import DocumentRoot
from grader.finding import CannotGrade, Finding
from grader.kernel import LIBC, Proc
from grader.places import Tampered
from grader.record import Result
from grader.reply import MAX_HEAD, MOST_INTERIM, MOST_KEPT, Kept, ReplyReader
from grader.report.text import summary
from grader.run import opened
from grader.turns import turn
from grader.workshop import FS_IOC_SETFLAGS, Workshop

pytestmark = pytest.mark.usefixtures("temporary")

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
#: What is sent first, what is sent then without end, and what is said of it.
HOSTILE = {
    "an endless head": (OK, b"X: " + b"y" * 60000 + b"\r\n", f"no blank line .* in the first {MAX_HEAD} bytes"),
    "a head of short lines": (OK, b"a:\r\n" * 9999, "no blank line"),
    "an endless line": (OK + b"X: ", b"y" * 65536, "no blank line"),
    "an endless body": (OK + b"\r\n", b"z" * 65536, "the answers go on past"),
    "a huge length": (OK + b"Content-Length: %s\r\n\r\n" % (b"9" * 15), b"z" * 65536, "the answers go on past"),
    "a length of many digits": (OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", b"z", "5000 digits"),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 999, f"more than {MOST_INTERIM} interim"),
    "answers": (b"", OK + b"Content-Length: 0\r\n\r\n", f"{UNASKED} answers came that nobody had asked for"),
    "small answers": (b"", (OK + b"Content-Length: 0\r\n\r\n") * 999, f"{UNASKED} answers came that nobody had"),
    "a head of 30,000 lines": (OK + b"a:\r\n" * 30000 + b"\r\n", b"z", "more than 8192 lines"),
    "answers with large heads": (b"", OK + b"a:\r\n" * 2000 + b"Content-Length: 0\r\n\r\n", f"{UNASKED} answers came"),
    "an endless chunk line": (CHUNKED + b"1;", b"x" * 65536, "not HTTP"),
    "a huge chunk": (CHUNKED + b"F" * 15 + b"\r\n", b"x" * 65536, "the answers go on past"),
    "a chunk of many digits": (CHUNKED + b"F" * 5000 + b"\r\n", b"x" * 65536, "not HTTP"),
    "endless trailers": (CHUNKED + b"0\r\n", b"X: y\r\n" * 9999, "not HTTP"),
    "no HTTP": (b"", bytes(65536), "the answer begins with"),
}


@pytest.fixture
def hostile():
    """(what is sent first, what then without end) -> a client of whoever sends that, connected."""
    used = []

    def meet(first, then, kept=None):
        listener = socket.create_server(("127.0.0.1", 0))
        client = Client("client #1", listener.getsockname(), set(), kept=kept)
        theirs, _ = listener.accept()
        listener.close()
        used.extend([client, theirs])

        def send():
            try:
                theirs.sendall(first)
                while then:
                    theirs.sendall(then)
            except OSError:  # the client has had enough
                pass

        thread = threading.Thread(target=send, daemon=True)
        thread.start()
        return client

    yield meet
    for each in used:
        each.close()


def pumped(client, until):
    """Pump until this holds; how often it took."""
    end, turns = time.monotonic() + PATIENT, 0
    while not until():
        assert time.monotonic() < end, "it never came"
        client.pump()
        turns += 1
    return turns


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_http(hostile, what):
    """What has no end is given up and said, whatever part of an answer it is, in bounded memory."""
    first, then, words = HOSTILE[what]
    client = hostile(first, then)
    client.send(request("/"))
    tracemalloc.start()
    try:
        pumped(client, lambda: client.malformed)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert re.search(words, client.malformed), client.malformed
    assert peak < 3 * MOST_KEPT, peak


def test_small_chunks(hostile, monkeypatch):
    """Chunks of a byte cost far more to read than to send: there is a most of them."""
    monkeypatch.setattr("grader.reply.MOST_CHUNKS", 5000)
    client = hostile(CHUNKED, b"1\r\nx\r\n" * 999)
    client.send(request("/"))
    pumped(client, lambda: client.malformed)
    assert client.malformed == "an answer of more than 5000 chunks"


def test_what_is_kept():
    """A file of the site is kept once for all clients; what else comes is counted until it is let go, if it ever is."""
    site = {"/a": bytes(100_000)}
    kept = Kept(site)
    readers = [ReplyReader(kept) for _ in range(3)]
    for reader, body in zip(readers, (site["/a"], b"x" * 100_000, b"y" * 99_999), strict=True):
        reader.feed(OK + b"Content-Length: 100000\r\n\r\n" + body)
    assert readers[0].replies[0].body is site["/a"]
    assert readers[1].replies[0].body == b"x" * 100_000 and not readers[2].replies
    assert [reader.weight for reader in readers] == [0, 100_000, 99_999] and kept.used == 199_999
    for reader in readers:
        reader.let_go()
    assert kept.used == 100_000


def test_crowd(hostile):
    """Many clients of endless answers keep no more together than one may."""
    kept = Kept()
    crowd = [hostile(OK + b"\r\n", b"z" * 65536, kept) for _ in range(8)]
    for client in crowd:
        client.send(request("/"))
    while not any(client.malformed for client in crowd):
        for client in crowd:
            client.pump()
        assert kept.used < kept.most + len(crowd) * (2 << 20)


FLOODS = """
import itertools
_kinds = itertools.cycle([
    (b"HTTP/1.1 200 OK\\r\\n", b"X: y\\r\\n" * 9999),
    (b"HTTP/1.1 200 OK\\r\\n\\r\\n", bytes(1 << 16)),
    (b"", b"HTTP/1.1 100 Continue\\r\\n\\r\\n" * 999),
    (b"HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n", b"4000\\r\\n" + bytes(0x4000) + b"\\r\\n"),
    (b"HTTP/1.1 200 OK\\r\\nContent-Length: 99999999999\\r\\n\\r\\n", bytes(1 << 16)),
    (b"", b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n" * 999),
])
_accept, _count = socket.socket.accept, itertools.count()
def _flood(sock, first, then):
    try:
        sock.recv(65536)
        sock.sendall(first)
        while True:
            sock.sendall(then)
    except OSError:
        sock.close()
def _take(listener):
    while True:
        sock, address = _accept(listener)
        if next(_count) < 5:
            return sock, address
        threading.Thread(target=_flood, args=(sock, *next(_kinds)), daemon=True).start()
socket.socket.accept = _take
"""


def test_a_grade_of_hostile_http(tmp_path, temporary):
    """A whole grade of one who floods every client in another way: its own verdicts, in bounded memory."""
    folder = tools.submission(tmp_path / "s", {"03_multithread": with_code("03_multithread", FLOODS)})
    results = tmp_path / "r.json"
    command = tools.command(
        "03", "--submission", folder, "-k", "answers or contents or strict", "--budget", "20", "--results", results
    )
    with open(tmp_path / "said", "w") as said:
        popen = subprocess.Popen(command, cwd=tools.REPOSITORY, env=tools.environment(), stdout=said, stderr=said)
        _, status, usage = os.wait4(popen.pid, 0)
        popen.returncode = os.waitstatus_to_exitcode(status)
    outcomes = {test["extra_data"]["check"]: test for test in json.loads(results.read_text())["tests"]}
    assert popen.returncode == 1, (tmp_path / "said").read_text()
    assert outcomes["answers"]["extra_data"]["outcome"] == "passed"
    assert "the grader's own fault" not in (tmp_path / "said").read_text()
    assert usage.ru_maxrss < 350 << 10  # KiB, of which Python and the libraries have a hundred thousand


# The end


BEGIN = "import ctypes, fcntl, os, shutil, signal, socket, sys, threading, time\nLIBC = ctypes.CDLL(None)\n"
WORKSHOP = "os.path.dirname(os.environ['EIGHT_SERVERS_LINES'])"
EXIT = 60 if os.uname().machine == "x86_64" else 93  # exit(2), of one thread
STUBBORN = {
    "its main thread has ended": f"""
threading.Thread(target=time.sleep, args=(1000,)).start()
print("ready", flush=True)
LIBC.syscall({EXIT}, 0)
""",
    "traced by us": """
LIBC.ptrace(0, 0, 0, 0)  # PTRACE_TRACEME
print("ready", flush=True)
time.sleep(1000)
""",
    "traced by us, and stopped": """
LIBC.ptrace(0, 0, 0, 0)
print("ready", flush=True)
os.kill(os.getpid(), signal.SIGUSR1)
""",
    "a thread that is traced by us": """
def thread():
    LIBC.ptrace(0, 0, 0, 0)
    print("ready", flush=True)
    time.sleep(1000)
threading.Thread(target=thread).start()
""",
    "a traced thread of a process whose main thread has ended": f"""
def thread():
    LIBC.ptrace(0, 0, 0, 0)
    print("ready", flush=True)
    time.sleep(1000)
threading.Thread(target=thread).start()
LIBC.syscall({EXIT}, 0)
""",
    "a traced orphan": """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while os.getppid() != int(sys.argv[1]):
            time.sleep(0.01)
        threading.Thread(target=LIBC.ptrace, args=(0, 0, 0, 0)).start()
        LIBC.ptrace(0, 0, 0, 0)
        print("ready", flush=True)
        time.sleep(1000)
    os._exit(0)
time.sleep(1000)
""",
    "a name with brackets and lines": """
LIBC.prctl(15, b"a) Z 1\\n1 (\\xff", 0, 0, 0)
print("ready", flush=True)
time.sleep(1000)
""",
    "nobody may look into it": """
LIBC.prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print("ready", flush=True)
        time.sleep(1000)
    os._exit(0)
time.sleep(1000)
""",
    "a child in the middle of vfork": """
import subprocess
threading.Thread(target=subprocess.run, args=(["sleep", "1000"],), kwargs={"close_fds": False}).start()
print("ready", flush=True)
time.sleep(1000)
""",
    "its folder is gone": """
shutil.rmtree(os.getcwd(), ignore_errors=True)
print("ready", flush=True)
time.sleep(1000)
""",
    "a chain of processes, each with a session of its own": """
print("ready", flush=True)
end = time.monotonic() + 100
while time.monotonic() < end:
    if os.fork():
        os._exit(0)
    os.setsid()
    LIBC.prctl(4, 0, 0, 0, 0)
""",
    "a chain beside it": """
if os.fork() == 0:
    os.setsid()
    end = time.monotonic() + 100
    while time.monotonic() < end:
        if os.fork():
            os._exit(0)
    os._exit(0)
print("ready", flush=True)
time.sleep(1000)
""",
    "a chain that naps, each with a session of its own": """
if os.fork() == 0:
    end = time.monotonic() + 100
    while time.monotonic() < end:
        if os.fork():
            os._exit(0)
        os.setsid()
        time.sleep(0.0005)
    os._exit(0)
print("ready", flush=True)
time.sleep(1000)
""",
}


@pytest.mark.parametrize("name", STUBBORN)
def test_the_end_comes(grading, temporary, name):
    """A family is ended whatever it has done to itself, and its main process is seen to be dead then, not before."""
    run = grading(BEGIN + STUBBORN[name])
    launch = run.launch(str(os.getpid()))
    until(lambda: "ready" in launch.output.text() or launch.status, "it has done that")
    until(lambda: launch.status is None or not launch.members() or "chain" in name, "it lives")
    assert launch.end() == [] and launch.status is not None
    assert run.close() == []
    assert_no_process(temporary)


def test_a_signal_comes_through(grading):
    """Who has made us its tracer is ended by a signal as anybody is: it is handed on."""
    launch = grading(BEGIN + STUBBORN["traced by us"]).launch()
    until(lambda: "ready" in launch.output.text(), "it is traced")
    launch.signal(signal.SIGTERM)
    until(lambda: launch.status is not None, "its end")
    assert launch.status == -signal.SIGTERM


def test_who_cannot_be_ended(grading, monkeypatch):
    """What lives on though it was killed is waited for so long and no longer, and said."""
    launch = grading("print('ready', flush=True)\nimport time\ntime.sleep(1000)\n").launch()
    until(lambda: "ready" in launch.output.text(), "its start")
    with monkeypatch.context() as patch:
        patch.setattr(launch_module, "END_WITHIN", 0.2)
        for name in ("send", "send_to_groups"):
            patch.setattr(launch_module, name, lambda *_: None)
        (words,) = launch.end()
    assert re.fullmatch(rf"process {launch.pid} \('python.*', state S\)", words)
    os.kill(launch.pid, signal.SIGKILL)
    until(lambda: launch.status is not None, "its end")


def test_nobody_becomes_another(grading):
    """A server cannot start a program that would be somebody else's, whom we could not end: prctl(2)."""
    text = "print(*(line for line in open('/proc/self/status') if 'NoNewPrivs' in line), 'ready')\n"
    launch = grading(text).launch()
    until(lambda: "ready" in launch.output.text(), "it has said it")
    assert re.match(r"NoNewPrivs:\s+1\b", launch.output.text())


# What is left


def with_code(step, code):
    """Our solution, which does something more when it starts."""
    first, docstring, rest = tools.solution(step).split('"""', 2)
    return f'{first}"""{docstring}"""\n{BEGIN}{code}{rest}'


TAKEN_APART = {
    "removed": "shutil.rmtree(shop, ignore_errors=True)",
    "renamed": "os.rename(shop, shop + '-gone')",
    "another in its place": "os.rename(shop, shop + '-gone'); os.makedirs(shop + '/more'); open(shop + '/file', 'x')",
    "a link in its place": "os.rename(shop, shop + '-gone'); os.symlink('/usr', shop)",
    "locked": "[os.chmod(place, 0) for place, _, _ in list(os.walk(shop, topdown=False))]",
    "its site is removed": "[shutil.rmtree(f'{shop}/{name}') for name in os.listdir(shop) if name.startswith('site')]",
}


@pytest.mark.parametrize("how", TAKEN_APART)
def test_a_workshop_that_is_taken_apart(tmp_path, temporary, how):
    """Who removes, renames or locks the grader's files gets no points for it, is told why, and all of it is removed.

    It may have been somebody else, a cleaner of temporary files: the server is not accused of it.
    """
    text = with_code("01_blocking", f"shop = {WORKSHOP}\n{TAKEN_APART[how]}\n")
    folder = tools.submission(tmp_path / "s", {"01_blocking": text})
    run = tools.grade("01", "--submission", folder, "-k", "answers or names", results=tmp_path / "r.json")
    assert "Traceback" not in run.err, run.err
    if os.geteuid() or how != "locked":  # root may go anywhere
        assert run.status and set(run.outcomes().values()) <= {"failed", "not judged", "not run"}, run.out
    assert "the grader's own fault" not in run.out
    assert os.listdir(temporary) == []


def test_what_only_root_can_leave(temporary):
    """Files that chattr(1) has pinned, and what has been mounted, are removed too."""
    shop = Workshop()
    folder = shop.folder("work")
    pinned = folder / "pinned"
    pinned.write_text("x")
    try:
        with open(pinned) as file:
            fcntl.ioctl(file, FS_IOC_SETFLAGS, array.array("l", [0x10]))  # FS_IMMUTABLE_FL
    except OSError:
        pass  # no root, or a file system that has no such thing
    (folder / "mounted").mkdir()
    LIBC.mount(b"none", os.fsencode(folder / "mounted"), b"tmpfs", 0, b"size=1m")  # the same without root
    assert shop.remove() == "" and not shop.path.exists()


# What it writes where we read

CLOCKS = {
    "cut off": "os.truncate(path, 0)",
    "removed": "os.unlink(path)",
    "a folder": "os.unlink(path); os.mkdir(path)",
    "a link": "os.unlink(path); os.symlink(os.environ['HOME'] + '/precious', path)",
    "no times": "import struct; open(path, 'r+b').write(struct.pack('2d', float('nan'), float('inf')))",
}


@pytest.mark.parametrize("how", CLOCKS)
def test_a_clock_that_is_spoiled(grading, how):
    """What a server does to the file of its clock hurts nobody: it is set, and says nothing that is no time."""
    text = "import os\nopen('precious', 'w').write('precious')\npath = os.environ['EIGHT_SERVERS_CLOCK']\n"
    launch = grading(f"{text}{CLOCKS[how]}\nprint('ready', flush=True)\n").launch()
    until(lambda: launch.status is not None, "its end")
    until(lambda: launch.output.text() == "ready\n", "all that it has printed")
    launch.clock.forward(60)
    assert launch.clock.alarm == 0.0 and launch.clock.ahead == 60
    work = Path(launch.environment(Path())["EIGHT_SERVERS_LINES"].removesuffix("-lines"))
    assert (work / "precious").read_text() == "precious"


@pytest.mark.parametrize("what", ["os.mkfifo(path)", "os.mkdir(path)", "os.mkdir(os.path.dirname(path) + '/x')"])
def test_no_answer_where_an_answer_is_to_be(grading, what):
    """In place of an answer lies something that is no file: it is taken for none."""
    text = "import os, time\npath = f\"{os.environ['EIGHT_SERVERS_LINES']}/{os.getpid()}\"\n"
    launch = grading(f"{text}{what}\nprint('ready', flush=True)\ntime.sleep(1000)\n").launch()
    until(lambda: "ready" in launch.output.text(), "its start")
    assert lines.answer_of(launch, launch.pid) == ""
    assert set(lines.ask(launch).threads) <= {(launch.pid, launch.pid)}


# How long it takes

DRIP = """
_answered = 0
_accept = socket.socket.accept
def _slowly(listener):
    global _answered
    sock, address = _accept(listener)
    _answered += 1
    if _answered > 5:
        while True:
            sock.sendall(b"HTTP/1.1 200 OK\\r\\n" if _answered == 6 else b"X: y\\r\\n")
            _answered += 1
            time.sleep(0.05)
    return sock, address
socket.socket.accept = _slowly
"""


def test_the_budget(tmp_path, temporary):
    """Who always does something and never what is waited for takes the budget, and no more: the rest says so."""
    folder = tools.submission(tmp_path / "s", {"01_blocking": with_code("01_blocking", DRIP)})
    run = tools.grade("01", "--submission", folder, "--budget", "9", results=tmp_path / "r.json")
    outcomes = run.outcomes()
    assert outcomes["answers"] == "passed" and outcomes["outside"] == "not judged", run.out
    assert run.status == 1 and run.results["score"] == 2
    assert "not judged: out of time: the grade's budget of 9 s was spent (--budget)" in run.out
    assert "next: grade it again with more time (--budget)" in run.out
    assert run.results["execution_time"] < 9 + GRACE


def test_what_does_not_wait_is_broken_off(monkeypatch):
    """What has no end and never comes by the budget is broken off all the same, and what comes after it too."""
    monkeypatch.setattr(budget_module, "GRACE", 0.05)
    before = signal.getsignal(signal.SIGALRM)
    budget = Budget(0.01)
    budget.set_alarm(1000)
    try:
        for _ in range(2):
            with pytest.raises(OutOfTime, match=r"out of time: the grade's budget of 0\.01 s"):
                while True:
                    pass
    finally:
        budget.cancel_alarm()
    assert signal.getsignal(signal.SIGALRM) == before
    with pytest.raises(OutOfTime):
        budget.check()


@pytest.mark.parametrize("text", ["0", "-1", "x", "nan", "inf", "1e99"])
def test_a_budget_that_is_none(text, capsys):
    """What is no number of seconds is refused in a line."""
    with pytest.raises(SystemExit):
        arguments(["01", f"--budget={text}"])
    assert "no number of seconds" in capsys.readouterr().err


# The site

PLANTED = {
    "a link": ("/changing.txt", lambda place, victim: (place.unlink(), place.symlink_to(victim))),
    "a link to nothing": ("/new.txt", lambda place, victim: place.symlink_to(victim.with_name("made"))),
    "a hard link": ("/changing.txt", lambda place, victim: (place.unlink(), place.hardlink_to(victim))),
    "another file": ("/changing.txt", lambda place, victim: victim.with_name("x.txt").rename(place)),
    "a file that was not there": ("/new.txt", lambda place, victim: place.write_text("x")),
    "a FIFO": ("/changing.txt", lambda place, victim: (place.unlink(), os.mkfifo(place))),
    "a folder": ("/changing.txt", lambda place, victim: (place.unlink(), place.mkdir())),
    "nothing": ("/changing.txt", lambda place, victim: place.unlink()),
    "a link to a folder": ("/sub/index.html", lambda place, victim: relink(place.parent, victim.parent)),
    "a link to a folder that is made": ("/made/x.txt", lambda place, victim: place.parent.symlink_to(victim.parent)),
    "a link to the site": ("/changing.txt", lambda place, victim: relink(place.parent, victim.parent)),
}


def relink(folder, elsewhere):
    folder.rename(folder.with_name("moved"))
    folder.symlink_to(elsewhere)


@pytest.fixture
def site(tmp_path):
    """A site, and a file of somebody else's, by every name that is tried."""
    (tmp_path / "site").mkdir()
    root = DocumentRoot(tmp_path / "site")
    for name in ("precious", "changing.txt", "index.html", "x.txt"):
        (tmp_path / name).write_text("precious")
    return root, tmp_path / "precious"


@pytest.mark.parametrize("what", PLANTED)
def test_what_is_planted_in_the_site(site, what):
    """Where a server has put something else nothing is written, no link is followed, and whose work it is is said."""
    root, victim = site
    name, plant = PLANTED[what]
    plant(root.path / name[1:], victim)
    with pytest.raises(Tampered, match=r"the server has changed the site: "):
        root.add(name, b"written by the grader")
    for path in victim.parent.iterdir():
        assert path.is_dir() or path.read_text() == "precious"


def test_a_link_is_replaced(site):
    """What takes a name all at once, rename(2), follows nothing."""
    root, victim = site
    place = root.path / "changing.txt"
    place.unlink()
    place.hardlink_to(victim)
    root.add("/changing.txt", b"another", replace=True)
    assert place.read_bytes() == b"another" and victim.read_text() == "precious"


def test_files_that_nobody_can_read(site):
    """What a server has put into the site is looked at, and neither waited for nor taken whole."""
    root, _ = site
    for name, make in {
        "fifo.txt": os.mkfifo,
        "endless.txt": lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_RDWR), 1 << 40),
    }.items():
        make(root.path / name)
        assert 404 in root.wanted(b"/" + name.encode()).statuses


def test_links_in_the_site(tmp_path, temporary):
    """A server that puts links into the site while it is graded loses a line for that; what they lead to stays."""
    victim = tmp_path / "precious"
    victim.write_text("precious")
    plant = f"""
root = sys.argv[sys.argv.index("--root") + 1]
for name in ("changing.txt", "turns", "later"):
    if os.path.lexists(f"{{root}}/{{name}}"):
        os.unlink(f"{{root}}/{{name}}")
    os.symlink({str(victim)!r}, f"{{root}}/{{name}}")
"""
    folder = tools.submission(tmp_path / "s", {"01_blocking": with_code("01_blocking", plant)})
    run = tools.grade("01", "--submission", folder, "-k", "answers or fresh_files", results=tmp_path / "r.json")
    assert run.outcomes()["answers"] == "passed" and run.outcomes()["fresh_files"] == "failed", run.out
    assert "the server has changed the site: '/changing.txt' leads out of it" in " ".join(run.out.split())
    assert victim.read_text() == "precious"


# One at a time


def test_turns():
    """Who has the turn has it alone; the next has it then; and nothing is left of it."""
    had = []

    def next_one(has):
        with turn("a-test", PATIENT) as ours:
            had.append((ours, has.is_set()))

    has_been = threading.Event()
    with turn("a-test", PATIENT) as ours:
        assert ours
        with turn("a-test", 0.05) as second:
            assert not second
        threads = [threading.Thread(target=next_one, args=(has_been,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        has_been.set()
    for thread in threads:
        thread.join()
    assert had == [(True, True)] * 4
    assert not os.path.lexists(f"/tmp/.eight-servers-{os.geteuid()}/a-test")


def test_a_turn_that_a_stranger_could_hold(monkeypatch, tmp_path):
    """Nobody waits for a lock in a folder that others can enter: it is our turn at once."""
    tmp_path.chmod(0o777)
    assert not turns.is_ours(str(tmp_path)) and not turns.is_ours(str(tmp_path / "none"))
    tmp_path.chmod(0o700)
    assert turns.is_ours(str(tmp_path))
    (tmp_path / "link").symlink_to(tmp_path)
    assert not turns.is_ours(str(tmp_path / "link"))
    monkeypatch.setattr(turns, "is_ours", lambda folder: False)
    with turn("a-test", 0) as first, turn("a-test", 0) as second:
        assert first and second


# What is left elsewhere

LEAVES = """
import mmap
shm = LIBC.shmget(0, 4096, 0o1600)
msg = LIBC.msgget(0, 0o1600)
LIBC.msgsnd(msg, ctypes.byref(ctypes.c_long(1)), 0, 0)
never_used = LIBC.msgget(0, 0o1600)
sem = LIBC.semget(0, 2, 0o1600)
LIBC.semctl(sem, 1, 16, 1)  # SETVAL
name = f"house-{os.getpid()}"
files = [open(f"{folder}/{name}", "w") for folder in ("/dev/shm", "/tmp", "/var/tmp")]
with open(f"/dev/shm/{name}-mapped", "w+b") as file:
    file.write(bytes(4096))
    file.flush()
    page = mmap.mmap(file.fileno(), 4096)
queue = LIBC.mq_open(f"/{name}".encode(), os.O_CREAT | os.O_RDWR, 0o600, None)
print(shm, msg, sem, never_used, name, queue, "ready", flush=True)
time.sleep(1000)
"""


def test_what_is_left_elsewhere(grading):
    """Memory, queues, semaphores and files of a server go with it, if they are provably its own; else they are told."""
    run = grading(BEGIN + LEAVES)
    launch = run.launch()
    until(lambda: "ready" in launch.output.text(), "it has made them")
    shm, msg, sem, never_used, name, queue, _ = launch.output.text().split()
    try:
        said = "\n".join(run.close())
        gone = [f"shared memory {shm} of", f"a message queue {msg} of", f"semaphores {sem} of"]
        gone += [f"/dev/shm/{name},", f"/tmp/{name},", f"/var/tmp/{name},", f"/dev/shm/{name}-mapped,"]
        gone += [f"the message queue /{name},"] if int(queue) >= 0 else []
        for words in gone:
            assert re.search(rf"^{re.escape(words)}.* has been removed$", said, re.M), (words, said)
        assert re.search(rf"^a message queue {never_used} of .*`ipcrm -q {never_used}`", said, re.M)
        left = {(kind, row.split()[1]) for kind in ("shm", "msg", "sem") for row in Proc().lines("sysvipc", kind)}
        assert not {("shm", shm), ("msg", msg), ("sem", sem)} & left
        assert not list(Path("/dev/shm").glob(f"*{name}*")) + list(Path("/var/tmp").glob(name))
    finally:
        LIBC.msgctl(int(never_used), 0, None)


# Names in /proc


def test_names_in_proc(tmp_path):
    """A name may hold what looks like an end of line, or like a line: nothing is read from it."""
    folder = tmp_path / "7" / "task" / "7"
    folder.mkdir(parents=True)
    status = "Name:\ta\x1cSigCgt:\tff\nState:\tS (sleeping)\nSigCgt:\t0000000000000000\n"
    for place in (folder, tmp_path / "7"):
        (place / "status").write_text(status.replace("SigCgt:\tff", "State:") if place == folder else status)
    assert not Proc(tmp_path).catches(7, 1)
    assert Proc(tmp_path).task(7, 7).state == "S"
    table = "Num RefCount Protocol Flags Type St Inode Path\n"
    row = "00000000ced2cbc1: 00000003 00000000 00000000 0001 03 "
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "unix").write_text(f"{table}{row} 1058 @a\nb c\n\n1: 2 3 4 5 6 x y\n{row}    17\n")
    assert Proc(tmp_path).unix_sockets() == {1058, 17}


def test_a_name_of_our_own():
    """The same of a socket that is there."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(f"\0{os.getpid()}\na b\n\n1: 2 3 4 5 6 x\x85y")
        assert os.fstat(sock.fileno()).st_ino in Proc().unix_sockets()


def test_no_port_is_free(grading, monkeypatch):
    """Where no port is to be had that is said, and whose fault it is."""
    run = grading(BEGIN + "held = [os.dup(0) for _ in range(50)]\nprint('ready', flush=True)\ntime.sleep(1000)\n")
    monkeypatch.setattr(grading_module, "PORTS_TRIED", 10)
    with monkeypatch.context() as patch, pytest.raises(CannotGrade, match=r"no port of 127\.0\.0\.1 is free"):
        patch.setattr(socket.socket, "bind", lambda *_: (_ for _ in ()).throw(OSError()))
        run.start()
    launch = run.launch()
    until(lambda: "ready" in launch.output.text(), "its start")
    monkeypatch.setattr(socket.socket, "bind", lambda *_: (_ for _ in ()).throw(OSError()))
    with pytest.raises(Finding, match="none is free; this one has"):
        run.start()


# Its clock

ANOTHER_CLOCK = """
class _Time(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]
def _now():
    LIBC.clock_gettime(1, ctypes.byref(_time := _Time()))
    return _time.seconds + _time.nanoseconds / 1e9
_accept, _sleep, _came = socket.socket.accept, time.sleep, []
def _take(listener):
    sock, address = _accept(listener)
    _came.append((sock, _now()))
    return sock, address
def _nap(seconds):
    while _came and _now() - _came[0][1] > 12:
        try:
            _came.pop(0)[0].shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
    _sleep(seconds)
socket.socket.accept, time.sleep = _take, _nap
"""


def test_another_clock(tmp_path, temporary):
    """Who gives up silent clients by a clock that a library reads is seen to: most of a minute is waited for."""
    folder = tools.submission(tmp_path / "s", {"05_nonblocking": with_code("05_nonblocking", ANOTHER_CLOCK)})
    run = tools.grade("05", "--submission", folder, "-k", "answers or patience", results=tmp_path / "r.json")
    assert run.outcomes()["patience"] == "failed", run.out
    assert "and was silent for 1" in run.out, run.out


def test_what_is_left_is_in_every_report(tmp_path, temporary, monkeypatch):
    """What could not be ended or removed stands among the notes of the result."""
    result = Result("01", "submission")
    folder = tools.submission(tmp_path / "s", {"01_blocking": "pass\n"})
    with opened(result, folder) as grading:
        close = grading.close
        monkeypatch.setattr(grading, "close", lambda: [*close(), "process 7 ('x', state D) could not be ended"])
    assert result.notes[-1:] == ["left behind: process 7 ('x', state D) could not be ended"]
    assert "note: left behind: process 7" in summary(result)
