"""The one who floods: it is gone with the grader, belongs to no server, and what it counts is true."""

import os
import subprocess
import sys

import tools

from grader import launch
from tests.checks import flood, flooder


def test_it_ends_with_its_standard_input():
    memory = os.memfd_create("flood")
    os.ftruncate(memory, 40)
    command = [sys.executable, "-I", "-S", flooder.__file__, "head", "127.0.0.1", "1", str(memory)]
    popen = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[memory])
    popen.stdin.close()
    assert popen.wait(60) == 0
    os.close(memory)


def test_it_is_no_process_of_the_server_and_is_gone_when_the_flood_is_over(grading):
    step = "05_nonblocking"
    with grading(tools.solution(step), step).started() as server:
        with flood.flooding(server, "head") as flooding:
            server.wait_out(lambda: flooding.board[flooder.SENT] > 0, 60)
            assert list(server.living()) == [server.main]
            ours = launch._own - {server.main}
            assert len(ours) == 1
        assert launch._own == {server.main}
        assert not os.path.exists(f"/proc/{ours.pop()}")


def test_of_a_server_that_reads_nothing_nothing_is_taken(grading):
    deaf = tools.solution("05_nonblocking").replace("moved = [connection.advance() for", "moved = [False for")
    with grading(deaf, "05_nonblocking").started() as server, flood.flooding(server, "head") as flooding:
        server.wait_out(flooding.blocked, 60)
        assert flooding.board[flooder.ACKED] > 0
        assert flooding.taken() == (2, 0)


def test_an_output_that_is_hung_up_is_read_no_more(grading):
    run = grading("import time\nprint('here', flush=True)\ntime.sleep(99)\n").launch()
    while run.output.total < len("here\n") and run.status is None:  # unbuffered, a line may come in two writes
        os.sched_yield()
    run.output.hang_up()
    assert run.output.text() == "here\n"
    run.end()
