"""The kernel's time-outs ring when they are due by a clock that is set forward."""

import platform
import subprocess
import sys
import time

import pytest

from grader.bells import Bells
from grader.clock import Clock
from grader.kernel import Proc
from grader.timers import timeout_of

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="bells ring on x86-64 alone")

SLEEPERS = {
    "poll": "import socket; s = socket.create_server(('127.0.0.1', 0)); s.settimeout(300)\n"
    "try: s.accept()\nexcept TimeoutError: print('rang')",
    "recvfrom": "import socket, struct; a, b = socket.socketpair()\n"
    "a.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack('ll', 300, 0))\n"
    "try: a.recv(1)\nexcept BlockingIOError: print('rang')",
    "epoll_wait": "import select; print('rang' if select.epoll().poll(300) == [] else 'no')",
    "clock_nanosleep": "import time; time.sleep(300); print('rang')",
    "pselect6": "import select; print('rang' if select.select([], [], [], 300) == ([], [], []) else 'no')",
    "futex": "import threading; l = threading.Lock(); l.acquire(); print('no' if l.acquire(timeout=300) else 'rang')",
}


@pytest.mark.parametrize("call", SLEEPERS)
def test_a_sleep_ends_when_it_is_due_and_not_before(call, tmp_path):
    clock, proc = Clock(tmp_path / "clock"), Proc()
    bells = Bells(proc, clock)
    with subprocess.Popen([sys.executable, "-c", SLEEPERS[call]], stdout=subprocess.PIPE, text=True) as popen:
        try:
            while (task := proc.task(popen.pid, popen.pid)) is None or not 200 < timeout_of(proc, task) < 400:
                time.sleep(0.01)
            bells.note([task])
            clock.forward(200)
            assert bells.ring([task]) == []
            assert proc.task(popen.pid, popen.pid) == task
            clock.forward(200)
            assert bells.ring([task]) == []
            assert popen.communicate(timeout=20)[0] == "rang\n"
        finally:
            popen.kill()
