"""The machines that people have: what one lacks is told as the machine's, and no point is lost or given by it.

Each environment is made here, as far as that is allowed; GRADING.md has them in a table.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import tools
from corpus import Entry
from tools import HERE, REPOSITORY, command, environment, submission, until

from grader import preflight
from grader.stale import TOKEN

pytestmark = pytest.mark.usefixtures("temporary")

REFUSE = [sys.executable, str(HERE / "refuse.py")]
BLIND = [sys.executable, str(HERE / "blind.py")]
SHORT = "answers or folders"


def works(*command):
    """Whether this machine lets us make an environment so."""
    try:
        return subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=60).returncode == 0
    except OSError:
        return False


NETWORKS = pytest.mark.skipif(
    not works("unshare", "-n", "ip", "link", "set", "lo", "up"), reason="no network namespace can be made here"
)
PIDS = pytest.mark.skipif(
    not works("unshare", "-pf", "--mount-proc", "true"), reason="no namespace of processes can be made here"
)
SECCOMP = pytest.mark.skipif(not works(*REFUSE, "kcmp", "--", "true"), reason="no seccomp filter can be set here")


def graded(*arguments, before=(), results=None, limit=115, **more):
    """Run the grader behind another command, as `tools.grade` runs it alone."""
    given = [*arguments, *(["--results", results] if results else [])]
    done = subprocess.run(
        [*before, *command(*given)],
        cwd=REPOSITORY,
        env={**environment(), **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=limit,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def solutions(step, select=SHORT, **more):
    return graded(step, "--submission", "solutions", "-k", select, **more)


def in_network(*lines):
    """A network of its own, with these lines of shell in it."""
    return ["unshare", "-n", "sh", "-c", "; ".join(["ip link set lo up", *lines, 'exec "$@"']), "sh"]


def refused(done, why):
    """Status 2, and one line that says why."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == 1 and why in done.stderr, done.stderr


def not_judged(done, line, why):
    """The line has no points, and says why; what else there was has passed."""
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"not judged: {line}: " in done.stdout or " were not judged" in done.stdout
    assert why in done.stdout and "FAILED" not in done.stdout, done.stdout


# What a server needs


@pytest.mark.parametrize(("step", "limits", "why"), [
    ("05", ["--nofile=100:100"], "`ulimit -Hn 200`"),
    ("03", [f"--as={1 << 30}"], "`ulimit -v unlimited`"),
    ("01", [f"--fsize={1 << 20}"], "`ulimit -f unlimited`"),
])  # fmt: skip
def test_limits(step, limits, why):
    """Too few descriptors, too little address space, too short files: 2, and what to raise."""
    refused(solutions(step, before=["prlimit", *limits, "--"]), why)


def test_limits_that_matter_to_one_line():
    """With 600 descriptors step 8 is graded, but for what takes a thousand clients; with 1 GiB step 5 is."""
    done = solutions("08", "answers or idle_crowd", before=["prlimit", "--nofile=600:600", "--"])
    not_judged(done, "idle_crowd", "1,000 clients take 1100")
    assert solutions("05", before=["prlimit", f"--as={1 << 30}", "--"]).returncode == 0


@NETWORKS
def test_loopback_is_down():
    refused(solutions("01", before=["unshare", "-n"]), "`ip link set lo up`")


@NETWORKS
def test_somaxconn():
    """The backlog is not judged, and nothing else suffers."""
    before = in_network("echo 16 >/proc/sys/net/core/somaxconn")
    not_judged(solutions("01", "answers or backlog", before=before), "backlog", "somaxconn is 16")


@NETWORKS
def test_few_ports():
    """41 local ports: clients come from other loopback addresses as well."""
    before = in_network("echo 40000 40040 >/proc/sys/net/ipv4/ip_local_port_range")
    assert solutions("07", "answers or watches", before=before).returncode == 0


@pytest.fixture
def few_processes():
    """A control group that takes 40 processes and threads."""
    tops = [Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup")]
    group = next((top / f"eight-servers-test-{os.getpid()}" for top in tops if (top / "cgroup.procs").exists()), None)
    try:
        group.mkdir()
        (group / "pids.max").write_text("40")
    except (OSError, AttributeError):
        pytest.skip("no control group can be made here")
    yield ["sh", "-c", f'echo $$ >{group}/cgroup.procs; exec "$@"', "sh"]
    until(lambda: not (group / "cgroup.procs").read_text(), "the end of the group's processes")
    group.rmdir()


def test_few_processes(few_processes):
    """A step that needs many is not graded; one that needs few is."""
    refused(solutions("02", before=few_processes), "needs 72 processes at a time, and a server may have")
    assert solutions("07", before=few_processes).returncode == 0


def test_a_shortage_that_comes_later(grading, monkeypatch):
    """A server that fails while the machine has no more of something is not blamed."""
    run = grading("import sys\nsys.exit('no')\n")
    assert not preflight.short(run)
    monkeypatch.setattr(preflight, "DESCRIPTORS", 1 << 20)
    assert "needs 1048576 descriptors" in preflight.short(run)


# What verdicts rest on


def blind(hidden, *arguments):
    """A run of the grader to which the kernel does not show this."""
    return subprocess.run(
        [*BLIND, hidden, "--", *arguments],
        cwd=REPOSITORY,
        env=environment(PYTHONPATH="."),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=115,
    )


@pytest.mark.parametrize(("step", "lines"), [
    ("05", ["in_turn", "stalled_readers"]), ("07", ["sleeps_in_epoll"]), ("04", ["gevent"]), ("03", ["own_threads"]),
])  # fmt: skip
def test_calls_are_not_shown(step, lines):
    """Without /proc/PID/syscall nobody knows in which call a thread sleeps: no points for that."""
    select = " or ".join(f"test_{line}" for line in ("answers", *lines))
    done = blind("syscall,mem,pidfd_getfd", step, "--submission", "solutions", "-k", select)
    not_judged(done, lines[0], "in which call a thread sleeps")
    assert f"1 of {len(lines) + 1} check" in done.stdout


def test_what_can_be_seen_is_lost(tmp_path):
    """An epoll in step 5 is seen by its descriptor: the line is lost, whatever else is not shown."""
    text = tools.solution("05_nonblocking")
    assert text.endswith("    main()\n")
    text = text.removesuffix("    main()\n") + "    import select\n\n    opened = select.epoll()\n    main()\n"
    folder = submission(tmp_path / "s", {"05_nonblocking": text})
    done = blind("syscall", "05", "--submission", str(folder), "-k", "answers or in_turn")
    assert done.returncode == 1 and "an epoll descriptor is open" in done.stdout


@SECCOMP
@pytest.mark.parametrize("refuses", ["docker", "netlink"])
def test_refused_calls(refuses):
    """As Docker's profile has it, and without sock_diag: everything is judged, and nothing waited for in vain."""
    before = [*REFUSE, refuses, "--"]
    done = solutions("01", "answers or one_at_a_time or backlog", before=before)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("program", ["#!/bin/sh\necho 'needs libpython3.so' >&2; exit 127\n", None])
def test_interpreter_that_says_why_not(tmp_path, program):
    """One that does not run, or is not there: 2, and its own words."""
    broken = tmp_path / "python"
    if program:
        broken.write_text(program)
        broken.chmod(0o755)
    done = graded("01", "--submission", "solutions", "--python", broken)
    refused(done, "libpython3.so" if program else "No such file")


def test_interpreter_that_needs_its_libraries(tmp_path):
    """LD_LIBRARY_PATH comes through to the servers."""
    script = tmp_path / "python"
    script.write_text(
        f'#!/bin/sh\n[ "$LD_LIBRARY_PATH" = /of/its/own ] && exec {shlex.quote(sys.executable)} "$@"\nexit 127\n'
    )
    script.chmod(0o755)
    own = {"LD_LIBRARY_PATH": "/of/its/own"}
    done = graded("01", "--submission", "solutions", "-k", SHORT, "--python", script, **own)
    assert done.returncode == 0, done.stdout + done.stderr


def test_interpreter_that_cannot_be_read(tmp_path, monkeypatch):
    """One of mode 0711: the kernel hides what it does from an ordinary user, and that is said."""
    python = tmp_path / "python"
    shutil.copyfile(os.path.realpath(sys.executable), python)
    monkeypatch.setattr(os, "access", lambda path, mode: path != str(python))
    assert f"`chmod +r {python}`" in preflight.why_unseen(str(python), {})
    assert "yama" in preflight.why_unseen(sys.executable, {})
    assert "sock_diag" in preflight.why_unseen(sys.executable, {3: "socket:[9]"})


# Names, folders, streams


@pytest.mark.parametrize("name", ["with a space, 50% of it", "a+b?c#d\u00e4", "line\nend"])
def test_names_of_the_temporary_folder(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    done = solutions("01", "answers or outside or links", TMPDIR=str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    assert not list(folder.iterdir())


@pytest.mark.parametrize("kind", ["absent", "a file", "full"])
def test_no_temporary_folder(tmp_path, kind):
    """2, a line, and the results written all the same."""
    folder, results = tmp_path / "t", tmp_path / "r.json"
    before = []
    if kind == "a file":
        folder.write_text("")
    elif kind == "full":
        if not works("unshare", "-m", "true"):
            pytest.skip("nothing can be mounted here")
        folder.mkdir()
        mount = f'mount -t tmpfs -o size=2m none {folder}; exec "$@"'
        before = ["unshare", "-m", "sh", "-c", mount, "sh"]
    done = solutions("01", before=before, results=results, TMPDIR=str(folder))
    refused(done, "the temporary folder")
    assert "the temporary folder" in results.read_text()


@pytest.mark.parametrize("charmap", ["EUC-JP", "ISO-8859-1"])
def test_locales(tmp_path, charmap):
    """Names on the disk are bytes, whatever the locale."""
    if not works("localedef", "-i", "en_US", "-f", charmap, str(tmp_path / "xx_XX")):
        pytest.skip("this locale cannot be made here")
    done = solutions("01", "answers or names", LOCPATH=str(tmp_path), LC_ALL="xx_XX")
    assert done.returncode == 0, done.stdout + done.stderr


def test_posix_without_utf8(tmp_path):
    done = solutions("01", "answers or names", LC_ALL="POSIX", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("streams", [">&-", "2>&-", "<&-", "<&- >&- 2>&-", ">/dev/full", ">/dev/full 2>/dev/full"])
def test_streams(tmp_path, streams):
    """Closed or full: the status is that of the grade, and the results are whole."""
    results = tmp_path / "r.json"
    done = solutions("01", "answers", before=["sh", "-c", f'exec "$@" {streams}', "sh"], results=results)
    assert done.returncode == 0, done.stdout + done.stderr
    assert results.read_text().endswith("}\n")
    assert ("could not be written" in done.stderr) == (streams == ">/dev/full")


def test_empty_path():
    assert solutions("01", "answers", PATH="").returncode == 0


# Whose processes, and the end of the grader


def test_children_that_were_there_before(tmp_path):
    """The shell that became the grader has started something: it goes on."""
    note = tmp_path / "pid"
    before = ["sh", "-c", f'sleep 300 >/dev/null 2>&1 & echo $! >{note}; exec "$@"', "sh"]
    done = solutions("01", "answers or no_leak", before=before)
    pid = int(note.read_text())
    try:
        assert done.returncode == 0 and tools.alive(pid)
    finally:
        tools.kill(pid)


@PIDS
def test_init_of_others():
    """The first process of a namespace adopts everybody's orphans: they are not the server's."""
    noise = "while :; do (sleep 0.3 & ); sleep 0.1; done"
    before = ["unshare", "-pf", "--mount-proc", "sh", "-c", f'({noise}) >/dev/null 2>&1 & exec "$@"', "sh"]
    done = solutions("03", "answers or threads_return", before=before)
    assert done.returncode == 0, done.stdout + done.stderr


SLEEPS = """
import os, time
if os.fork() == 0:
    os.setsid()
open("ready", "w").close()
while True:
    time.sleep(0.3)
"""


def begun(tmp_path, temporary):
    """A grader whose server and its child are there, and the pids of those two."""
    folder = submission(tmp_path / "s", {"01_blocking": SLEEPS})
    popen = subprocess.Popen(
        command("01", "--submission", folder, "--results", tmp_path / "r.json"),
        cwd=REPOSITORY,
        env=environment("20"),  # who naps and does not listen is waited for
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    ready = until(lambda: len(list(temporary.glob("*/work-*/ready"))) and servers(temporary), "the server")
    return popen, until(lambda: len(found := servers(temporary)) == 2 and found, "its child") or ready


def servers(temporary):
    """The processes that have the token of a run in this folder."""
    names = [path.name for path in temporary.glob("eight-servers-*")]
    found = tools.processes_of(temporary)
    return [pid for pid in found if any(f"{TOKEN}={name}/" in tools.facts(pid) for name in names)]


def test_killed_grader(tmp_path, temporary):
    """SIGKILL: the server's main process ends with it; the next run ends the rest and removes the folder."""
    popen, pids = begun(tmp_path, temporary)
    popen.kill()
    popen.wait()
    until(lambda: not all(map(tools.alive, pids)), "the end of the main process")
    assert list(temporary.glob("eight-servers-*"))
    assert solutions("01", "answers").returncode == 0
    until(lambda: not any(map(tools.alive, pids)), "the end of the others")
    assert not list(temporary.glob("eight-servers-*"))


def test_a_grader_that_runs_is_left_alone(tmp_path, temporary):
    """Another run in the same folder touches neither its servers nor its files."""
    popen, pids = begun(tmp_path, temporary)
    try:
        assert solutions("01", "answers").returncode == 0
        assert all(map(tools.alive, pids)) and popen.poll() is None
        assert len(list(temporary.glob("eight-servers-*"))) == 1
    finally:
        popen.terminate()
        popen.wait()


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGABRT, signal.SIGXCPU, signal.SIGQUIT])
def test_signals_that_end_a_run(tmp_path, temporary, number):
    """It ends with care: no server, no folder, and the results are written."""
    popen, pids = begun(tmp_path, temporary)
    popen.send_signal(number)
    error = popen.communicate(timeout=60)[1].decode()
    assert popen.returncode in (1, 2) and "Traceback" not in error
    assert not any(map(tools.alive, pids)) and not list(temporary.glob("eight-servers-*"))
    assert (tmp_path / "r.json").read_text().endswith("}\n")


WAITS = """
import os, socket, sys
with socket.create_server(("127.0.0.1", 7890)) as listener:
    client = socket.create_connection(("127.0.0.1", 7890))
    listener.accept()[0].close()
    client.recv(1)
    client.close()
os.execvp(sys.argv[1], sys.argv[1:])
"""


@NETWORKS
@pytest.mark.parametrize(("wrong", "passes"), [("no_reuseaddr", True), ("default_port_8000", False)])
def test_somebody_has_used_the_default_port(tmp_path, wrong, passes):
    """A neighbour's connection in TIME_WAIT costs no point and hides none."""
    folder = Entry(HERE / "wrong" / "01_blocking" / f"{wrong}.patch").submit(tmp_path)
    before = [*in_network(), sys.executable, "-c", WAITS]
    done = graded("01", "--submission", folder, "-k", "answers or command_line", before=before)
    assert (done.returncode == 0) == passes, done.stdout
    assert ("port 7890 was taken" in done.stdout) == passes, done.stdout
