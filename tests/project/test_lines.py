"""Each thread, process and greenlet of a server says which line it is in, when it is asked and never before."""

import os
import signal
import tempfile

import pytest
import tools

from grader import lines
from grader.evidence import Moment
from grader.grading import Grading
from grader.kernel import Proc

pytestmark = pytest.mark.usefixtures("temporary")

BEGIN = """\
import argparse, os, select, signal, socket, subprocess, sys, threading, time
parser = argparse.ArgumentParser()
for name in ("--host", "--port", "--root"):
    parser.add_argument(name)
args = parser.parse_args()
def ready():
    open("ready", "x").close()
"""
SLEEPS = {
    "recv": "a, b = socket.socketpair()\nready()\na.recv(1)  # here\n",
    "accept": "listener = socket.create_server(('127.0.0.1', 0))\nready()\nlistener.accept()  # here\n",
    "epoll": "epoll = select.epoll()\nready()\nepoll.poll()  # here\n",
    "select": "a, b = socket.socketpair()\nready()\nselect.select([a], [], [])  # here\n",
    "a lock": "lock = threading.Lock()\nlock.acquire()\nready()\nlock.acquire()  # here\n",
    "a nap": "ready()\ntime.sleep(1000)  # here\n",
    "a wait": "child = subprocess.Popen(['sleep', '1000'])\nready()\nchild.wait()  # here\n",
    "a loop": "ready()\nwhile True: pass  # here\n",
    "a function": "def f():\n    ready()\n    time.sleep(1000)  # here\nf()\n",
    "a thread": (
        "def f():\n    a, b = socket.socketpair()\n    ready()\n    a.recv(1)  # here\n"
        "threading.Thread(target=f).start()\n"
    ),
    "a child": "if os.fork() == 0:\n    ready()\n    time.sleep(1000)  # here\nos.wait()\n",
    "a child's thread": (
        "def f():\n    if os.fork() == 0:\n        ready()\n        time.sleep(1000)  # here\n    os.wait()\n"
        "threading.Thread(target=f).start()\n"
    ),
    "a library": "import queue\nready()\nqueue.Queue().get()  # here\n",
}
METHODS = """
import multiprocessing
def child():
    ready()
    time.sleep(1000)  # here
if __name__ == "__main__":
    multiprocessing.get_context({method!r}).Process(target=child).start()
"""
SLEEPS |= {method: METHODS.format(method=method) for method in ("fork", "spawn", "forkserver")}


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """A program -> it runs and has come to where it calls ready(), and its launch."""
    running = []
    short = tempfile.mkdtemp(dir="/tmp")  # the fork server makes a Unix socket there: at most 107 bytes, unix(7)
    monkeypatch.setattr(tempfile, "tempdir", short)

    def start(text, step="01_blocking"):
        folder = tools.submission(tmp_path / "submission", {step: BEGIN + text})
        grading = Grading(folder, step)
        running.append(grading)
        launch = grading.launch("--host", "127.0.0.1")
        work = grading.workshop.path
        until(lambda: list(work.glob("work-*/ready")) or launch.status is not None)
        assert launch.status is None, launch.output.text()
        return launch

    yield start
    for grading in running:
        grading.close()
    os.rmdir(short)


def until(condition):
    tools.until(condition, "the server stands where it should")


def asleep(launch):
    """The family has come to rest, but for a loop."""
    tasks = [task for pid in launch.family() for task in launch.proc.tasks(pid)]
    return all(task.state == "S" or task.call == "running" for task in tasks)


@pytest.mark.parametrize("where", SLEEPS)
def test_lines(asked, where):
    """A thread is found at its line wherever it sleeps or runs, in whatever process, and goes on as before."""
    launch = asked(SLEEPS[where])
    until(lambda: asleep(launch))
    before = launch.family().keys()

    def here():  # one that runs may still be on its way there: it is asked until it has come
        return [line for line in lines.ask(launch).threads.values() if line.text.endswith("# here")]

    (line,) = tools.until(lambda: len(found := here()) == 1 and found, "one thread at the line")
    assert line.file == "server.py" and line.number > 6
    until(lambda: asleep(launch))
    assert launch.family().keys() == before, launch.output.text()


def test_greenlets(asked):
    """Greenlets are found too, and those alike are counted."""
    text = "import gevent\ndef f():\n    gevent.sleep(1000)  # here\n"
    text += "them = [gevent.spawn(f) for _ in range(20)]\ngevent.sleep(0)\nready()\ngevent.joinall(them)  # main\n"
    launch = asked(text, "04_gevent")
    until(lambda: asleep(launch))
    moment = Moment(launch, [], ask=True)
    at = [line.text.partition("  ")[2] for line in moment.lines.greenlets[launch.pid]]
    assert sorted(at) == ["# here"] * 20 + ["# main"]
    assert any("and 19 more" in words for words in moment.words()), moment.words()


@pytest.mark.parametrize(
    "code",
    [
        "signal.signal(59, signal.SIG_IGN)",
        "signal.signal(59, signal.SIG_DFL)",
        "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))",
        "os.kill(os.getpid(), signal.SIGSTOP)",
    ],
)
def test_who_does_not_listen(asked, code):
    """A process that has thrown the handler away, blocks the signal or is stopped is not asked, and lives on."""
    launch = asked(f"ready()\n{code}\nopen('done', 'x').close()\ntime.sleep(1000)\n")
    until(lambda: launch.proc.process(launch.pid).state in "ST")
    until(lambda: not lines.listens(launch, launch.pid) or launch.proc.process(launch.pid).state == "T")
    assert lines.ask(launch) == lines.Lines()
    assert launch.status is None


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"stacks\nthread\t%d\nframe\t1\t66\n",
        b"stacks\nthread\tx\nframe\tx\t66\t2f78\nframe\t1\t__import__('os')\t2f78\n",
        b"\xff\x00" * 100,
        b"stacks\n" + b"thread\t1\nframe\t99999\t66\t" + b"/../server.py".hex().encode() + b"\n" * 9999,
        b"stacks\nthread\t0\nframe\t7\t" + b"(" * 5000 + b"\t2f78\n",
        b"stacks\nthread\t" + b"9" * 5000 + b"\nframe\t" + b"9" * 5000 + b"\t66\t2f78\n",
        b"stacks\nthread\t\xb2\nframe\t-1\t66\t" + b"61" * 300000 + b"\n",
    ],
)
def test_forged_answers(asked, text):
    """What a server writes in place of an answer is taken for no line, and breaks nothing."""
    code = f"signal.signal(59, lambda *_: (open(path + '~', 'wb').write({text!r}), os.rename(path + '~', path)))\n"
    path = "path = os.environ['EIGHT_SERVERS_LINES'] + '/' + str(os.getpid())\n"
    launch = asked(f"{path}{code}ready()\nwhile True:\n    time.sleep(1000)\n")
    until(lambda: asleep(launch))
    assert lines.ask(launch) == lines.Lines()


def test_link_in_place_of_an_answer(asked):
    """A link is not followed."""
    code = "signal.signal(59, lambda *_: os.symlink('/etc/passwd', path))\n"
    launch = asked(
        f"path = os.environ['EIGHT_SERVERS_LINES'] + '/' + str(os.getpid())\n{code}ready()\ntime.sleep(1000)\n"
    )
    until(lambda: asleep(launch))
    assert lines.ask(launch) == lines.Lines()


def test_nothing_is_held(asked):
    """Until it is asked, a server has no descriptor, thread or file of ours."""
    launch = asked("ready()\ntime.sleep(1000)\n")
    until(lambda: asleep(launch))
    assert set(Proc().descriptors(launch.pid)) == {0, 1, 2} and len(launch.proc.tasks(launch.pid)) == 1
    assert os.listdir(launch.lines) == []
    assert launch.proc.catches(launch.pid, lines.ASK) and not launch.proc.catches(launch.pid, signal.SIGUSR1)
