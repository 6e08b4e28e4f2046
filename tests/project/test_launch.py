"""Servers are started alike whatever the grader's own surroundings are, and ended with all that they started."""

import os
import re
import signal
import subprocess
import sys

import pytest
import tools
from tools import REPOSITORY, grade, submission, until

from grader.clock import Clock
from grader.grading import Grading
from grader.launch import prepare_grader
from grader.output import Output
from grader.stale import TOKEN
from grader.workshop import Workshop

pytestmark = pytest.mark.usefixtures("temporary")

FAMILY = 5  # processes that the servers below start, beside the first


def mark(name):
    """A line of a program that says how far it has come: an empty file in its working folder."""
    return f"open({name!r}, 'x').close()\n"


BEGIN = "import os, signal, socket, subprocess, sys, threading, time\n"
DAEMON = """
def daemon(work):
    if os.fork():
        return os.wait()
    os.setsid()
    if os.fork() == 0:
        work()
    os._exit(0)
"""
FAMILIES = {
    "children": f"""
for _ in range({FAMILY}):
    if os.fork() == 0:
        time.sleep(1000)
print("ready", flush=True)
time.sleep(1000)
""",
    "chain": f"""
for n in range({FAMILY}):
    if os.fork():
        break
else:
    print("ready", flush=True)
time.sleep(1000)
""",
    "a main thread that has ended": f"""
import ctypes
for _ in range({FAMILY}):
    if os.fork() == 0:
        threading.Thread(target=time.sleep, args=(1000,)).start()
        ctypes.CDLL(None).syscall({60 if os.uname().machine == "x86_64" else 93}, 0)  # exit(2), of one thread
def leader(pid):
    return open("/proc/%s/stat" % pid).read().rpartition(")")[2].split()[0]
def children():
    return open("/proc/self/task/%d/children" % os.getpid()).read().split()
while sum(leader(pid) == "Z" for pid in children()) < {FAMILY}:
    time.sleep(0.01)
print("ready", flush=True)
time.sleep(1000)
""",
    "sessions of their own": f"""
for _ in range({FAMILY}):
    if os.fork() == 0:
        os.setsid()
        time.sleep(1000)
def children():
    return [int(pid) for pid in open("/proc/self/task/%d/children" % os.getpid()).read().split()]
while sum(os.getsid(pid) == pid for pid in children()) < {FAMILY}:
    time.sleep(0.01)
print("ready", flush=True)
time.sleep(1000)
""",
    "daemons": f"""{DAEMON}
for _ in range({FAMILY}):
    daemon(lambda: time.sleep(1000))
print("ready", flush=True)
time.sleep(1000)
""",
    "daemons, and the first is gone": f"""{DAEMON}
for _ in range({FAMILY}):
    daemon(lambda: time.sleep(1000))
print("ready", flush=True)
""",
    "daemons that are another program": f"""{DAEMON}
sleeper = [sys.executable, "-c", "import time; time.sleep(1000)"]
for _ in range({FAMILY}):
    daemon(lambda: os.execv(sys.executable, sleeper))
print("ready", flush=True)
time.sleep(1000)
""",
    "deaf ones": f"""
for number in range(1, 65):
    if number not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, 32, 33):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
for _ in range({FAMILY}):
    if os.fork() == 0:
        time.sleep(1000)
print("ready", flush=True)
time.sleep(1000)
""",
    "stopped ones": f"""
for _ in range({FAMILY}):
    if os.fork() == 0:
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(1000)
for _ in range({FAMILY}):
    os.waitpid(-1, os.WUNTRACED)
print("ready", flush=True)
time.sleep(1000)
""",
    "zombies": f"""
for _ in range({FAMILY}):
    if os.fork() == 0:
        os._exit(0)
print("ready", flush=True)
time.sleep(1000)
""",
    "threads": f"""
for _ in range({FAMILY}):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"], start_new_session=True)
    threading.Thread(target=time.sleep, args=(1000,)).start()
print("ready", flush=True)
""",
}


def launched(grading, text):
    """A program that has been started, and has said that it is ready."""
    launch = grading(BEGIN + text).launch()
    until(lambda: "ready" in launch.output.text(), "the server's family")
    return launch


def nothing_left(pids):
    return not any(tools.alive(pid) for pid in pids)


@pytest.mark.parametrize("name", FAMILIES)
def test_family_is_known_and_ended(grading, name):
    """However its processes were started and whatever they ignore, the family is known, and ended whole."""
    launch = launched(grading, FAMILIES[name])
    family = until(lambda: len(launch.family()) >= FAMILY and launch.family(), "every process in the family")
    launch.end()
    assert nothing_left(family) and launch.family() == {}
    assert launch.status is not None


def test_two_families_are_told_apart(grading):
    """Orphans of two servers at once belong to their own family, and ending one leaves the other."""
    first = launched(grading, FAMILIES["daemons"])
    second = launched(grading, FAMILIES["daemons, and the first is gone"])
    until(lambda: second.status is not None, "the end of the second one's first process")
    until(lambda: len(first.family()) >= FAMILY + 1 and len(second.family()) >= FAMILY, "both families")
    assert not first.family().keys() & second.family().keys()
    kept = [pid for pid, process in second.family().items() if process.state != "Z"]
    first.end()
    assert first.family() == {} and all(map(tools.alive, kept))
    second.end()
    assert nothing_left(kept)


def test_orphan_without_environment(grading, temporary):
    """A daemon that starts another program with an empty environment is ended with its family all the same."""
    text = f"""{DAEMON}
sleeper = [sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(1000)"]
daemon(lambda: os.execve(sys.executable, sleeper, {{}}))
time.sleep(1000)
"""
    launch = launched(grading, text)
    launch.end()
    tools.assert_no_process(temporary)


def test_fork_storm(grading, temporary):
    """A process that is replaced by its child again and again is caught in the end."""
    text = """
print("ready", flush=True)
for _ in range(1500):
    if os.fork():
        os._exit(0)
    os.setsid()
"""
    run = grading(BEGIN + text)
    for _ in range(4):
        launch = run.launch()
        until(lambda launch=launch: "ready" in launch.output.text(), "the storm")
        run.end(launch)
        tools.assert_no_process(temporary)


def test_broad_storm(grading, temporary):
    """Two hundred processes that all go on forking until they are ended."""
    text = """
made = 1
print("ready", flush=True)
while made < 200:
    if os.fork():
        made *= 2
        time.sleep(0.001)
    else:
        made *= 2
time.sleep(1000)
"""
    launch = launched(grading, text)
    until(lambda: len(launch.family()) > 30, "many processes")
    launch.end()
    tools.assert_no_process(temporary)
    assert launch.family() == {}


def test_multitude(grading, temporary):
    """A server that forks without end is ended as soon as it is looked at, and the next one sooner."""
    run = grading(BEGIN + "while os.fork():\n    pass\ntime.sleep(1000)\n")
    run.most_processes = 150
    for _ in range(2):
        launch = run.launch()
        until(lambda launch=launch: launch.family() == {} and launch.multitude, "its end")
        assert launch.multitude > launch.most and launch.status == -signal.SIGKILL
        assert launch.find_listener() is None, "it can still be asked for"
        run.end(launch)
        tools.assert_no_process(temporary)
    assert launch.most < 150


def test_end_twice(grading):
    """To end a family that has been ended does nothing, also when it had ended by itself."""
    launch = grading(BEGIN + "print('ready', flush=True)\nsys.exit(7)\n").launch()
    until(lambda: launch.status == 7, "its exit status")
    launch.end()
    launch.end()
    assert launch.status == 7 and launch.output.text() == "ready\n"
    launch.signal(signal.SIGTERM)  # nobody is there any more: nothing happens


# What it prints


def test_prints_100_mb(grading):
    """Of 100 MB the first and the last part are kept, the cut is said, and the server never waits for us."""
    text = "line = b'x' * 99999 + bytes([10])\nos.write(1, b'first' + bytes([10]))\n"
    text += "for _ in range(1000):\n    sys.stdout.buffer.write(line)\nprint('ready', flush=True)\ntime.sleep(1000)\n"
    launch = launched(grading, text)
    assert launch.output.total == len("first\n") + 1000 * 100_000 + len("ready\n")
    said = launch.output.text()
    assert said.startswith("first\nxxx") and said.endswith("x\nready\n")
    assert re.search(r"\n\[\.\.\. \d+ bytes not kept \.\.\.\]\n", said)
    assert len(said) <= Output.HEAD + Output.TAIL + (1 << 17)
    assert launch.output.text(launch.output.total - 6) == "ready\n"


def test_closes_its_output(grading):
    """A server that closes its output lives on, and can be ended."""
    launch = grading(BEGIN + "os.write(1, b'bye')\nfor n in (0, 1, 2):\n    os.close(n)\ntime.sleep(1000)\n").launch()
    until(lambda: not launch.output.thread.is_alive(), "the end of its output")
    assert launch.status is None and launch.output.text() == "bye"
    launch.end()
    assert launch.status == -signal.SIGKILL


def test_output_since():
    """What was printed from some byte on, wherever the cut is."""
    output = Output()
    parts = [b"h" * Output.HEAD, b"m" * Output.TAIL, b"n" * Output.TAIL, b"t" * 100]
    for number, part in enumerate(parts, 1):
        os.write(output.writer, part)
        assert output.printed() == sum(map(len, parts[:number]))  # read already, or still in the pipe
        until(lambda part=part: output.total % len(part) == output.total % len(part), "all of it")
    os.close(output.writer)
    output.close()
    whole = b"".join(parts).decode()
    assert output.total == len(whole)
    for since in (len(whole) - 50, len(whole) - 100, len(whole) - 1000, len(whole)):
        assert output.text(since) == whole[since:]
    assert output.text(5).startswith(whole[5 : Output.HEAD])
    assert output.text(Output.HEAD + 10).endswith("t" * 100)


def test_bytes_that_are_no_text(grading):
    """What is no UTF-8 is kept, with the marks of that."""
    launch = launched(grading, "os.write(1, b'\\xff\\xfe\\xc3 ready \\xe4')\ntime.sleep(1000)\n")
    assert launch.output.text() == "\ufffd\ufffd\ufffd ready \ufffd"


# How it is started


def test_surroundings(grading, monkeypatch, tmp_path):
    """A server has the few variables it needs, none of ours, no descriptor of ours, and a session of its own."""
    monkeypatch.setenv("SECRET_OF_THE_GRADER", "1")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    kept = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(kept, True)
    try:
        text = "print(sorted(os.environ), sorted(os.listdir('/proc/self/fd')), "
        text += "os.getsid(0) == os.getpid(), sys.stdin.read())\n"
        launch = launched(grading, text + "print('ready', flush=True)\n")
    finally:
        os.close(kept)
    names, descriptors = re.match(r"(\[.*?\]) (\[.*?\]) True \n", launch.output.text()).groups()
    assert set(re.findall(r"'(\w+)'", names)) <= {
        *("PATH", "HOME", "TMPDIR", "LANG", "LC_CTYPE", TOKEN),
        *("PYTHONUNBUFFERED", "PYTHONIOENCODING", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH"),
        *("EIGHT_SERVERS_LINES", "EIGHT_SERVERS_CLOCK"),
    }
    assert "/nowhere" not in launch.environment(tmp_path)["PYTHONPATH"]
    assert descriptors == "['0', '1', '2', '3']"  # 3 is the folder that it lists


@pytest.mark.parametrize("step", ["01_blocking"])
def test_ignored_signals_are_not_handed_down(tmp_path, step):
    """A server sees SIGINT, SIGTERM, SIGHUP and SIGCHLD at their default, though the grader's parent ignores them."""
    text = "print(*(line for line in open('/proc/self/status') if line.startswith('SigIgn')))\n"
    folder = submission(tmp_path / "submission", {step: text})
    quiet = "import signal, subprocess, sys\nfor n in (1, 2, 15, 17):\n    signal.signal(n, signal.SIG_IGN)\n"
    quiet += "sys.exit(subprocess.call(sys.argv[1:]))\n"
    command = [sys.executable, "-c", quiet, *tools.command(step, "--submission", folder)]
    run = subprocess.run(command, cwd=REPOSITORY, env=tools.environment(), capture_output=True, text=True)
    mask = int(re.search(r"SigIgn:\s*([0-9a-f]+)", run.stdout)[1], 16)
    ignored = [n for n in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD) if mask >> (n - 1) & 1]
    assert ignored == []


def test_blocked_signals_are_not_handed_down(grading):
    """A server's signals are not blocked, though the grader's own are."""
    prepare_grader()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        text = "print(signal.pthread_sigmask(signal.SIG_BLOCK, []), 'ready', flush=True)\n"
        launch = launched(grading, text)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert launch.output.text() == "set() ready\n"


def test_copies(tmp_path, temporary):
    """Every start has a fresh copy of what was handed in when grading began; odd files are left out, and links."""
    code = BEGIN + "print(sorted(os.listdir(os.path.dirname(__file__))), 'ready')\nopen(__file__, 'a').write('x')\n"
    folder = submission(tmp_path / "submission", {"01_blocking": code}) / "01_blocking"
    os.mkfifo(folder / "fifo")
    (folder / "link").symlink_to("/etc")
    (folder / "__pycache__").mkdir()
    (folder / "data").mkdir()
    run = Grading(folder.parent, "01_blocking")
    (folder / "server.py").write_text("print('another')")
    (folder / "more").write_text("more")
    for _ in range(2):
        launch = run.launch()
        until(lambda launch=launch: launch.status == 0, "its end")
        launch.end()
        assert launch.output.text() == "['data', 'server.py'] ready\n"
    run.close()
    assert (folder / "server.py").read_text() == "print('another')"


def test_listener_that_was_asked_for(grading):
    """Of several listening sockets the one on the port asked for is the server's; without it, any."""
    text = "port = int(sys.argv[sys.argv.index('--port') + 1])\n"
    text += "kept = [socket.create_server(('127.0.0.1', p)) for p in (0, port, 0)]\n"
    text += "print('ready', flush=True)\ntime.sleep(1000)\n"
    with_port = grading(BEGIN + text)
    for port in (0, free_port()):
        launch = with_port.launch("--port", str(port))
        until(lambda launch=launch: "ready" in launch.output.text(), "its listeners")
        found = launch.find_listener().address
        assert found[0] == "127.0.0.1" and (found[1] == port or not port)


def free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# What is left


def test_workshop_is_removed(temporary):
    """The run's folder is removed whatever is in it: locked folders, links that lead out, FIFOs, odd names."""
    shop = Workshop()
    outside = temporary / "outside"
    outside.mkdir()
    (outside / "precious").write_text("keep")
    folder = shop.folder("work")
    (folder / "link").symlink_to(outside)
    os.mkfifo(folder / "fifo")
    (folder / "locked" / "deep").mkdir(parents=True)
    (folder / "locked" / "deep" / "file").write_text("x")
    (folder / os.fsdecode(b"\xff\n name")).write_text("x")
    for path in (folder / "locked" / "deep", folder / "locked", folder):
        path.chmod(0)
    shop.remove()
    assert not shop.path.exists() and (outside / "precious").read_text() == "keep"
    assert oct(outside.stat().st_mode & 0o777) == oct(0o755 & ~current_umask())


def test_deep_folders_are_removed(temporary):
    """However deep the folders are that a server has made: deeper than Python calls, longer than a path may be."""
    shop = Workshop()
    place = os.open(shop.folder("work"), os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("a folder", dir_fd=place)
        inner = os.open("a folder", os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = inner
    os.fchmod(place, 0)
    os.close(place)
    shop.remove()
    assert not shop.path.exists()


def test_deep_submission_is_refused(tmp_path, temporary):
    """A submission of many folders in each other is refused in a line."""
    folder = submission(tmp_path / "s", {"01_blocking": "pass\n"})
    tools.make_deep(folder / "01_blocking")
    run = grade("01", "--submission", folder)
    assert run.status == 2 and "50 folders in each other; hand in server.py" in run.err + run.out
    assert "Traceback" not in run.err
    subprocess.run(["rm", "-rf", folder], check=True)


def current_umask():
    umask = os.umask(0)
    os.umask(umask)
    return umask


def test_descriptors_come_back(grading):
    """A server started and ended leaves no descriptor in the grader."""
    run = grading(BEGIN + FAMILIES["children"])

    def round_trip():
        launch = run.launch()
        until(lambda: "ready" in launch.output.text(), "the server")
        run.end(launch)
        launch.sockets.netlink.close()
        return len(os.listdir("/proc/self/fd"))

    first = round_trip()
    assert [round_trip() for _ in range(3)] == [first] * 3


def test_run_leaves_nothing(tmp_path, temporary):
    """After a whole run of a server that litters, no process and no folder is left."""
    litter = "import subprocess, sys\nsleeper = [sys.executable, '-c', 'import time; time.sleep(999)']\n"
    litter += "for _ in range(3):\n    subprocess.Popen(sleeper, start_new_session=True)\n"
    folder = submission(
        tmp_path / "submission", {"01_blocking": litter + tools.solution("01_blocking").split('"""', 2)[2]}
    )
    run = grade("01", "--submission", folder, "-k", "answers or contents")
    assert run.status == 1, run.out + run.err
    tools.assert_clean(temporary)


CLOCKS = """
import copy, os, pickle, sys, time
assert os.listdir("/proc/self/fd") == ["0", "1", "2", "3"], "a descriptor of ours"
assert open("/dev/null").fileno() == 3
class Named:
    now = time.monotonic
assert Named().now() > 1e6 and time.monotonic.__name__ == "monotonic" and callable(time.monotonic)
assert pickle.loads(pickle.dumps(time.time)) is time.time is copy.deepcopy(time.time)
for one in (time.monotonic(), time.perf_counter(), time.clock_gettime(time.CLOCK_MONOTONIC), time.monotonic_ns() / 1e9):
    assert 1e6 < one < 2e9
assert time.process_time() < 100 and time.clock_gettime(time.CLOCK_PROCESS_CPUTIME_ID) < 100
import signal
signal.setitimer(signal.ITIMER_VIRTUAL, 99, 99)
assert (signal.alarm(7), signal.alarm(0), signal.setitimer(signal.ITIMER_REAL, 8.5, 1)) == (0, 7, (0.0, 0.0))
try:
    time.monotonic(1)
except TypeError:
    print("as ever")
"""


def test_the_clock_of_a_server(tmp_path):
    """Python's clocks follow ours, in its children too, alarms are noted, and the program does not notice."""
    clock = Clock(tmp_path / "clock")
    clock.forward(1e6)
    clock.forward(1e5)
    inside = {"PYTHONPATH": str(REPOSITORY / "grader" / "inside"), "EIGHT_SERVERS_LINES": str(tmp_path)}
    environment = os.environ | inside | clock.environment
    command = [sys.executable, "-c", CLOCKS]
    run = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert (run.stdout, run.stderr) == ("as ever\n", "")
    assert clock.alarm == 8.5 and clock.ahead == 1.1e6


def test_a_clock_that_cannot_be_had(tmp_path):
    """Without its file a server has the true time, and is told nothing of it."""
    inside = {"PYTHONPATH": str(REPOSITORY / "grader" / "inside"), "EIGHT_SERVERS_CLOCK": str(tmp_path / "none")}
    command = [sys.executable, "-c", "import time; print(time.time.__class__.__name__)"]
    run = subprocess.run(command, env=os.environ | inside, capture_output=True, text=True)
    assert (run.stdout, run.stderr) == ("builtin_function_or_method\n", "")
