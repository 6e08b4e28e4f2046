"""The bench: what it reads, what it reckons, and that a run of it tells the truth and leaves nothing behind."""

import http.client
import io
import json
import re
import shutil
import signal
import socket
import subprocess
import sys

import jsonschema
import pytest
import tools
from rich.console import Console
from tools import REPOSITORY

from bench import CannotMeasure, floor, load, measure, plan, records, servers, table, usage
from bench.__main__ import arguments, measure_cell, steps_named
from bench.progress import Watch, span
from bench.result import Cell, Group, Result, Run, Spread, spread
from grader.kernel import TICK, Proc

needs_wrk = pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is missing: apt install wrk")
NGINX, FLOOR = servers.PEERS[:2]


def run_of(number=1, requests=100, cpu=0.5, foreign=0.0, load_cpu=0.4, **errors):
    return Run(number, False, requests, 1.0, requests * 1100, 0.001, 0.002, cpu, load_cpu, foreign, errors)


def ours(kind=servers.REFERENCE, step="05_nonblocking"):
    return servers.ours(step, REPOSITORY / "solutions", kind)


def result_of(*cells):
    group = Group(1024, "short", list(cells))
    return Result("2026-01-02T03:04:05Z", [group], ["x"], 3, 1, 32, (0, 1), "python3", "", {"wrk": "4.1.0"})


def command(*words):
    return [sys.executable, "-m", "bench", *map(str, words)]


def bench(*words, **more):
    return subprocess.run(
        command(*words), cwd=REPOSITORY, env=tools.environment(**more), capture_output=True, text=True, timeout=110
    )


# What it reads


def test_the_line_of_wrk():
    """What the Lua script writes is read, in seconds; errors only where there are some; all else is refused."""
    numbers = '"requests": 7, "duration": 1100000, "bytes": 8, "p50": 1500, "p99": 2500, "connect": 0, "read": 3'
    text = f'Running 1s test\n  7 requests\n\nbench {{{numbers}, "write": 0, "timeout": 0, "status": 1}}\n'
    said = load.read(text)
    assert (said.requests, said.bytes, said.errors) == (7, 8, {"read": 3, "status": 1})
    assert (said.seconds, said.p50, said.p99) == pytest.approx((1.1, 0.0015, 0.0025))
    with pytest.raises(CannotMeasure, match="unable to connect"):
        load.read("", "unable to connect to 127.0.0.1:1 Connection refused\n")


def stat_of(user, system, waited_user, waited_system):
    fields = ["S", *["0"] * 10, *map(str, (user, system, waited_user, waited_system)), *["0"] * 30]
    return f"7 (a b) c) {' '.join(fields)}\n"


def test_the_time_of_a_family(tmp_path):
    """User and system time of every process, and of the children waited for; who has gone counts nothing."""
    for pid, times in ((7, (1, 2, 30, 40)), (8, (5, 6, 0, 0))):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(stat_of(*times))
    assert usage.family_seconds(Proc(tmp_path), [7, 8, 9]) == pytest.approx(84 * TICK)


def test_the_time_of_processors(tmp_path):
    """Idle time is that of those asked for; interrupts count apart only where the kernel measures them."""
    rows = ["cpu  9 9 9 9 9 9 9 9 0 0", "cpu0 10 0 20 300 4 0 6 1 0 0", "cpu1 0 0 0 50 0 0 0 0 0 0"]
    (tmp_path / "stat").write_text("\n".join([*rows, "intr 1"]))
    found = usage.processors(Proc(tmp_path), {0})
    assert (found.total, found.idle, found.apart) == pytest.approx((341 * TICK, 304 * TICK, 0))
    assert usage.processors(Proc(tmp_path), {0, 1}).idle == pytest.approx(354 * TICK)
    assert usage.processors(Proc(tmp_path), {0, 2}) is None
    (tmp_path / "stat").write_text(rows[1].replace(" 0 6 ", " 2 6 "))
    assert usage.processors(Proc(tmp_path), {0}).apart == pytest.approx(8 * TICK)


def test_what_others_used():
    """What is neither idle nor ours, as a share of one processor; unknown where the kernel counts nothing."""

    def moment(time, server, wrk, own, total, idle):
        return usage.Usage(time, server, wrk, own, usage.Processors(total, idle, 0.0))

    before = moment(10, 1, 2, 3, 100, 50)
    assert usage.foreign(before, moment(12, 2.5, 3, 3.1, 104, 51), 2) == pytest.approx((4 - 1 - 2.6) / 2)
    assert usage.foreign(before, moment(12, 5, 5, 3, 104, 51), 2) == 0
    assert usage.foreign(before, moment(12, 2, 3, 3, 100, 50), 2) is None


def test_arguments():
    """Steps with commas, sizes with units, peers by name; what is none is refused in a line."""
    assert steps_named(["02,05", "08"], None) == ["02_multiprocess", "05_nonblocking", "08_epoll_keepalive"]
    assert len(steps_named([], None)) == len(steps_named(["all"], None)) == 8
    assert [plan.size_named(text) for text in ("1k", "100K", "5m", "17")] == [1024, 102400, 5 << 20, 17]
    assert [plan.file_name(size) for size in (1024, 102400, 5 << 20, 17)] == ["1k.bin", "100k.bin", "5m.bin", "17.bin"]
    for text in ("0", "", "k", "-1", "1g", "101m"):
        with pytest.raises(CannotMeasure):
            plan.size_named(text)
    assert [peer.name for peer in servers.peers_named("floor, nginx")] == ["nginx", "floor"]
    assert servers.peers_named("none") == []
    with pytest.raises(CannotMeasure, match="apache"):
        servers.peers_named("nginx,apache")
    assert arguments(["02,05", "--clients", "4"]).clients == 4


def test_the_plan():
    """A step is measured in its own mode, beside the peers of that mode; what does not speak a mode is named."""
    found = [ours(step=step) for step in ("02_multiprocess", "08_epoll_keepalive")]
    everybody = [*servers.PEERS, *found]
    short, long = plan.groups(everybody, [1024], "own")[0]
    assert [cell.server.name for cell in short.ours] == ["02 ours"] and short.mode == "short"
    assert [cell.server.name for cell in long.ours] == ["08 ours"] and long.mode == "long"
    assert len(short.peers) == len(servers.PEERS) == len(long.peers) + 1
    groups, left_out = plan.groups(everybody, [1024, 5], "long")
    assert len(groups) == 2 and [cell.server.name for cell in groups[0].ours] == ["08 ours"]
    assert left_out == ["02 ours: left out, answers once a connection"]
    assert len(plan.groups(everybody, [1024], "short")[0][0].ours) == 2
    with pytest.raises(CannotMeasure, match="nothing to measure; 02 ours"):
        plan.groups(everybody[:-1], [1024], "long")


def test_who_is_missing():
    """A peer that is not there is said with how to get it."""
    assert "apt install nginx" in servers.missing(NGINX, {}, "python3")
    assert servers.missing(servers.PEERS[2], {}, "py") == "granian is not there: py -m pip install granian"
    assert not servers.missing(FLOOR, {}, "py") and not servers.missing(NGINX, {"nginx": "1"}, "py")
    assert "python" in servers.versions(sys.executable)
    with pytest.raises(CannotMeasure, match="--python"):
        servers.versions("/bin/true")


# What it reckons


def test_medians_and_ratios():
    """A ratio is taken within a round; rounds that one of the two lacks, or without an answer, do not count."""
    mine, base = Cell(ours(), 1024, "short"), Cell(NGINX, 1024, "short")
    mine.runs = [run_of(1, 100, 1.0), run_of(2, 200, 1.0), run_of(3, 0, 1.0), run_of(4, 100)]
    base.runs = [run_of(1, 400, 1.0), run_of(2, 400, 1.0), run_of(3, 400, 1.0)]
    assert mine.of("rate") == Spread(100, 100, 200)
    assert mine.times(base, "rate") == Spread(0.375, 0.25, 0.5)
    assert mine.times(base, "cost") == Spread(3.0, 2.0, 4.0)
    assert mine.times(Cell(FLOOR, 1024, "short"), "rate") is None
    assert spread([]) is None


def test_a_submission_is_compared_with_our_solution():
    """Its reference is the one of the same step."""
    cells = [Cell(ours(kind, step), 1, "short") for step in ("01_blocking", "05_nonblocking") for kind in KINDS]
    group = Group(1, "short", cells)
    assert [group.reference(cell) for cell in cells] == [None, cells[0], None, cells[2]]


KINDS = (servers.REFERENCE, servers.SUBMISSION)


class Scripted:
    """Stands for a Measurer: its measurements are made up."""

    def __init__(self, *runs):
        self.runs = list(runs)

    def measure(self, cell, number, again=False):
        if isinstance(found := self.runs.pop(0), Exception):
            raise found
        return found


def test_a_disturbed_run_is_done_again_once():
    """The less disturbed of two is kept; not again where that was done too often; why it failed is noted."""
    cell = Cell(ours(), 1024, "short")
    assert measure_cell(Scripted(run_of(foreign=0.9), run_of(foreign=0.5)), cell, 1, True)
    assert not measure_cell(Scripted(run_of(foreign=0.9)), cell, 2, False)
    assert not measure_cell(Scripted(run_of(foreign=0.01)), cell, 3, True)
    assert [run.foreign for run in cell.runs] == [0.5, 0.9, 0.01]
    assert not measure_cell(Scripted(CannotMeasure("it did not listen")), cell, 4, True)
    assert cell.error == "it did not listen" and len(cell.runs) == 3


def test_time_left(capsys):
    """Until five runs are done, by the guess; what is skipped is not waited for."""
    watch = Watch(100, 2.0)
    watch.begins(1, "x")
    assert capsys.readouterr().err == "round 1: 3 min 20 s left\n"
    watch.ended(4)
    assert watch.left == 192
    assert span(59.4) == "59 s" and span(-1) == "0 s"


# What it shows


def shown(result):
    console = Console(width=80, file=io.StringIO())
    table.show(result, console)
    return console.file.getvalue()


def test_the_table_fits_and_is_honest():
    """80 columns at the most; errors, others' load, and a wrk at its limit are marked, what failed is said."""
    cells = [Cell(peer, 1024, "short") for peer in servers.PEERS]
    for cell in cells:
        cell.runs = [run_of(number, 123456, 0.987) for number in (1, 2, 3)]
    cells[0].runs[0] = run_of(1, 123456, 0.5, load_cpu=0.99)
    cells[1].runs[0] = run_of(1, 123456, 0.5, foreign=0.3)
    mine, yours = Cell(ours(), 1024, "short"), Cell(ours(servers.SUBMISSION), 1024, "short")
    mine.runs = [run_of(1, 0), run_of(2, 20, 0.9, read=3)]
    yours.error = "it did not answer"
    text = shown(result_of(*cells, mine, yours))
    assert max(map(len, text.splitlines())) <= 80 and "…" not in text
    assert "nginx         w " in text and "floor         * " in text and "05 ours       ! " in text
    assert "05 yours: it did not answer" in text and "3 errors in 20 answers: 3 read" in text


def test_numbers_are_short():
    """At most six characters, and three digits that count."""
    for value, words in ((0.0123, "0.012"), (4.567, "4.57"), (45.67, "45.7"), (999.6, "1000"), (45678, "45.7k")):
        assert table.number(value) == words


def described(root, schema, value, name="result"):
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]] | schema
    if "anyOf" in schema:
        described(root, schema["anyOf"][0] | {"description": "of it"}, value, name)
    elif isinstance(value, dict) and "properties" in schema:
        assert value.keys() == schema["properties"].keys() == set(schema["required"])
        for key, item in value.items():
            described(root, schema["properties"][key], item, key)
    elif isinstance(value, list):
        assert value, name
        for item in value:
            described(root, {"description": "of a list"} | schema["items"], item, name)
    assert schema.get("description"), name


def test_the_schema_describes_every_field():
    """Every field that is written is in the schema with a description, and no other is there."""
    schema = json.loads(records.SCHEMA_FILE.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    cells = [Cell(server, 1024, "short", [run_of(read=1)]) for server in (NGINX, ours())]
    data = json.loads(records.render(result_of(*cells)))
    jsonschema.validate(data, schema)
    described(schema, {"description": "all", **schema}, data)
    empty = json.loads(records.render(result_of(Cell(NGINX, 1024, "short", error="x"))))
    jsonschema.validate(empty, schema)
    empty["cells"][0]["mode"] = "middling"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(empty, schema)


# What it runs


@pytest.mark.parametrize("long", [False, True])
def test_the_floor_answers(long):
    """The constant loop sends its bytes, several times on a long connection, once on a short one."""
    size, mode = 1 << 20, "long" if long else "short"
    port = measure.free_port()
    server = subprocess.Popen([sys.executable, REPOSITORY / "bench" / "floor.py", str(port), str(size), mode])
    try:
        tools.until(lambda: listens(port), "the floor listens")
        assert measure.why_wrong(port, "x", floor.constant(size), long) == ""
        assert "bytes" in measure.why_wrong(port, "x", b"other", long)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=tools.PATIENT)
        connection.request("GET", "/x")
        assert connection.getresponse().read() == floor.constant(size)
        assert (connection.sock is not None) == long
        connection.close()
    finally:
        server.kill()
        server.wait()


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["09"], "there is no step '09'"),
        (["--submission", "no/such"], "no/such is no folder"),
        (["--peers", "apache"], "there is no peer 'apache'"),
        (["--sizes", "big"], "--sizes: 'big' is no size"),
        (["--rounds", "0"], "argument --rounds: '0' is no number from 1 on"),
        (["--json", "."], "is a folder; name a file"),
        (["01", "--mode", "long"], "there is nothing to measure; 01 ours: left out"),
    ],
)
@needs_wrk
def test_wrong_arguments(words, said):
    """One line that says what is wrong, exit status 2, and nothing else."""
    done = bench(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr and done.stderr.count("\n") == 1


def test_without_wrk(tmp_path):
    """How to get it, in a line."""
    done = bench("01", PATH=str(tmp_path))
    assert done.returncode == 2 and "apt install wrk" in done.stderr and done.stderr.count("\n") == 1


@needs_wrk
def test_a_short_run(temporary, tmp_path):
    """Two servers for a second: the table, JSON that its schema knows, and nothing left."""
    submission = tools.submission(tmp_path / "mine", {"05_nonblocking": "raise SystemExit('not yet')"})
    given = ["05", "--submission", submission, "--peers", "floor", "--rounds", "1", "--json", tmp_path / "b.json"]
    done = bench(*given)
    assert done.returncode == 1, done.stderr  # not all of the submission could be measured
    assert "05 yours: it did not listen; it printed: not yet" in done.stdout
    data = json.loads((tmp_path / "b.json").read_text("utf-8"))
    jsonschema.validate(data, json.loads(records.SCHEMA_FILE.read_text("utf-8")))
    base, mine, yours = data["cells"]
    for cell in (base, mine):
        assert cell["runs"][0]["requests"] and cell["runs"][0]["cpu"] > 0 and not cell["errors"]
    assert [ratio["to"] for ratio in mine["ratios"]] == ["floor"] and not yours["runs"]
    assert not data["interrupted"]


@needs_wrk
def test_answers_that_go_wrong(temporary, tmp_path):
    """wrk looks at no body: a server that cuts its answers short after some time is found out by what comes last."""
    source = tools.solution("07_epoll").replace("data = os.read(fd, status.st_size)", "data = os.read(fd, next(SIZES))")
    source = source.replace("def parse(", "SIZES = itertools.chain([1024] * 50, itertools.repeat(10))\n\n\ndef parse(")
    source = source.replace("import argparse\n", "import argparse\nimport itertools\n")
    submission = tools.submission(tmp_path / "mine", {"07_epoll": source})
    done = bench("07", "--submission", submission, "--peers", "none", "--rounds", "1")
    assert done.returncode == 1, done.stderr
    assert re.search(r"07 yours: after \d+ answers it answered 10 bytes, and not the 1024 of /1k.bin", done.stdout)


@needs_wrk
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_ended(temporary, tmp_path, number):
    """Ended in the middle: what was measured is shown and written, and nothing is left."""
    given = command("02", "--peers", "floor", "--rounds", "50", "--json", tmp_path / "b.json")
    environment, pipe = tools.environment(), subprocess.PIPE
    run = subprocess.Popen(given, cwd=REPOSITORY, env=environment, stdout=pipe, stderr=pipe, text=True)

    def second():
        return any("server.py" in tools.facts(pid) for pid in tools.processes_of(temporary))

    try:
        tools.until(second, "the second server")
        run.send_signal(number)
        out, err = run.communicate(timeout=tools.PATIENT)
    finally:
        run.kill()
    assert run.returncode == 130 and "interrupted" in out and "Traceback" not in err
    data = json.loads((tmp_path / "b.json").read_text("utf-8"))
    assert data["interrupted"] and data["cells"][0]["runs"]
