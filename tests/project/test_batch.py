"""A class becomes a book: whole, the same however often it was interrupted and in however many parts it was graded."""

import csv
import io
import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from urllib.parse import unquote

import html5lib
import pytest
import tools
from tools import REPOSITORY, until

from grader.batch import __main__ as batch_main
from grader.batch import apart, book, engines, entry, merge, page, roster, task, version
from grader.batch.roster import named, safe
from grader.batch.task import Task
from grader.batch.version import GRADER, Settings, grader_version
from grader.finding import CannotGrade
from grader.walls import choice

STUB = shlex.join([sys.executable, str(REPOSITORY / "tests" / "project" / "stub_grader.py")])
STEPS = ("02_multiprocess", "05_nonblocking")
KINDS = ("right", "wrong", "to do", "right", "wrong")


@pytest.fixture(autouse=True)
def place(tmp_path, temporary, monkeypatch):
    """The stub keeps a list of what it was asked to grade."""
    monkeypatch.setenv("STUB_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("STUB_NAP", "0")
    return tmp_path


def log(folder):
    path = folder / "log"
    return Counter(path.read_text().splitlines()) if path.exists() else Counter()


def class_of(folder, **servers):
    """name -> what the stub is to find, in both steps."""
    for name, text in servers.items():
        tools.submission(folder / name, dict.fromkeys(STEPS, text))
    return folder


def made_up(folder, count):
    return class_of(folder, **{f"student-{n:02}": KINDS[n % len(KINDS)] for n in range(count)})


def command(submissions, out, *more, module="grader.batch", steps="02,05", grader=STUB):
    if module == "grader.batch.merge":
        return [sys.executable, "-m", module, *map(str, submissions), "--out", str(out), *map(str, more)]
    given = ["--steps", steps, "--out", str(out), "--grader", grader]
    return [sys.executable, "-m", module, str(submissions), *given, *map(str, more)]


@dataclass
class Said:
    stdout: str
    stderr: str


def batch(*arguments, status=0, **more):
    """Run the command in this process, whose start would take longer than the work; Ctrl-C has tests of its own."""
    name = more.get("module", "grader.batch")
    module = merge if name == "grader.batch.merge" else batch_main
    given = command(*arguments, **more)[3:]
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            found = module.said(module.arguments(given))
        except SystemExit as end:
            found = end.code
    assert found == status, out.getvalue() + err.getvalue()
    return Said(out.getvalue(), err.getvalue())


def rows(out, name="grades.csv"):
    text = (out / name).read_text(encoding="utf-8")
    return list(csv.reader(io.StringIO(text)))


def the_book(out):
    """All of it that is for all: bytes by name."""
    return {path.name: path.read_bytes() for path in out.iterdir() if path.suffix in (".csv", ".html")}


# The book


def test_a_class(place):
    """One row a student, whatever was handed in; results and pages; and every link of the page leads there."""
    class_of(place / "class", alice="right", bob="wrong", carol="to do")
    shutil.make_archive(str(place / "class" / "dave"), "gztar", place / "class" / "alice")
    (place / "class" / "eve").symlink_to(place / "class" / "alice")
    (place / "class" / "mallory.zip").write_bytes(b"PK\3\4 no zip")
    (place / "class" / "nobody").mkdir()
    shutil.rmtree(place / "class" / "bob" / STEPS[0])
    (place / "class" / "carol" / STEPS[1] / "link").symlink_to("/etc/passwd")
    done = batch(place / "class", place / "out", "--jobs", 3, "--csv", "canvas", "--csv", "moodle")
    assert done.stdout.count("\n") == 9 and "7 submissions: 7 graded now" in done.stdout
    found = {row[0]: row[1:] for row in rows(place / "out")}
    assert found.pop("student") == [*STEPS, "total", "walls", "note"]
    assert found["alice"] == found["dave"] == ["100", "100", "200", "stub", ""]
    assert found["bob"][:4] == ["0", "75", "75", "stub"] and "02_multiprocess/server.py is not there" in found["bob"][4]
    assert found["carol"][:3] == ["75", "75", "150"] and "left out of the submission: 1 x symbolic" in found["carol"][4]
    assert found["eve"][:3] == ["0", "0", "0"] and "eve is a symbolic link" in found["eve"][4]
    assert "damaged" in found["mallory"][4] and str(place) not in found["mallory"][4]
    assert list(found) == ["alice", "bob", "carol", "dave", "eve", "mallory", "nobody"]
    check_page(place / "out")
    assert [row[3] for row in rows(place / "out", "canvas.csv")] == ["SIS Login ID", "", *found]
    assert rows(place / "out", "canvas.csv")[1] == ["    Points Possible", "", "", "", "", "100", "100"]
    assert rows(place / "out", "moodle.csv")[1] == ["alice", "", "100", "100", "200"]


def check_page(out, names=("index.html",)):
    """It parses, asks for nothing from outside, and its links lead to files that are there; returns its text."""
    for name in names:
        text = (out / name).read_text(encoding="utf-8")
        html5lib.HTMLParser(strict=True).parse(text)
        tree = html5lib.parse(text, namespaceHTMLElements=False)
        own = {node.get("id") for node in tree.iter() if node.get("id")}
        links = [node.get("href") for node in tree.iter("a")]
        assert links and not list(tree.iter("script")) and not list(tree.iter("img")) and not list(tree.iter("link"))
        for link in links:
            path, _, anchor = link.partition("#")
            assert anchor in own if not path else (out / unquote(path)).is_file(), link
            assert (out / unquote(path)).resolve().is_relative_to(out.resolve())
    return text


def test_nothing_in_the_book_is_a_formula(place):
    """Cells that a spreadsheet would compute, or a terminal obey, are neither."""
    names = [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "\uff1d1",
        'a,b\n"c',
        "\x1b[31m",
        "=cmd|' /C calc'!A0",
    ]
    class_of(place / "class", **{name: "right" for name in names if "/" not in name})
    batch(place / "class", place / "out", "--csv", "canvas", "--csv", "moodle")
    for name in ("grades", "canvas", "moodle"):
        text = (place / "out" / f"{name}.csv").read_text(encoding="utf-8")
        cells = [cell for row in rows(place / "out", f"{name}.csv") for cell in row]
        assert not [cell for cell in cells if cell.startswith(book.FORMULA)], name
        assert "\x1b" not in text and "\r" not in text and "\t" not in text
        assert len(rows(place / "out", f"{name}.csv")) == len(text.splitlines())
    check_page(place / "out")


HOSTILE = [
    "a/b".replace("/", "\u2215"), "..", "...", "-rf", "--out", "a b", "a_b", "A_B", "a\tb", "a\nb",
    "\x1b[2J", "<script>",
    "index.html", "grades.csv", "shard-1-of-2.json", "students-2.html", "CON", "x" * 255, "x" * 254 + "y", "中文", "é",
    "e\u0301", "\u202egnp.exe", "%2e%2e", "~",
    "a.zip", "a.tar.gz", "a", "A", "'; rm -rf /", "\udcff\udcfe", "con.txt", "#", "?",
]  # fmt: skip


def test_names_of_students(tmp_path):
    """Whatever they are called: one safe folder each, apart also where letter case does not count; always the same."""
    students = named(HOSTILE)
    folders = [one.folder for one in students]
    assert len({name.casefold() for name in folders}) == len(folders)
    for folder in folders:
        assert folder not in ("", ".", "..") and folder[0] not in ".-" and len(folder.encode()) <= 255
        assert all(c.isalnum() or c in "-_." for c in folder) and ".." not in folder
        assert folder.split(".")[0].split("-")[0].lower() not in roster.OURS or len(folder) > 16
        (tmp_path / folder).mkdir()
    assert len({one.name for one in students}) == len(students)
    assert all(one.name.isprintable() for one in students)
    assert named(HOSTILE) == students and safe("alice") == "alice"
    assert {one.folder for one in named(["alice", "bob.zip"])} == {"alice", "bob"}


def test_hostile_names_in_a_whole_run(place):
    """On disk, in the book, on the page and on the terminal."""
    names = [name for name in HOSTILE if name not in ("..", "...")]
    class_of(place / "class", **{name: "wrong" for name in names if not name.endswith((".zip", ".gz"))})
    done = batch(place / "class", place / "out", "--jobs", 4, steps="05")
    assert len(rows(place / "out")) == len(os.listdir(place / "class")) + 1
    assert "\x1b" not in done.stdout and "\u202e" not in done.stdout
    text = check_page(place / "out")
    assert "<script" not in text and "&lt;script&gt;" in text and "&lt;b&gt;names" in text
    assert set(os.listdir(place)) == {"class", "out", "log", "tmp"}


# One submission costs no other anything


@pytest.mark.parametrize("kind", ["crash", "kill", "garbage", "forged", "short", "not judged"])
def test_what_is_not_judged(place, kind):
    """A grader that leaves no result, or one that cannot be: tried again, then said; no number in the book. The others
    have theirs. The next run tries again, and what has become judged stays."""
    class_of(place / "class", alice="right", mallory=kind, zoe="wrong")
    done = batch(place / "class", place / "out", "--jobs", 2, "--attempts", 3, "--csv", "canvas", status=1)
    assert "1 not judged" in done.stdout
    found = {row[0]: row[1:] for row in rows(place / "out")}
    assert found["alice"][2] == "200" and found["zoe"][2] == "150"
    assert found["mallory"][:3] == ["", "", ""] and "not judged" in found["mallory"][4]
    assert "root:" not in (place / "out" / "mallory" / "result.json").read_text()
    assert "mallory" not in (place / "out" / "canvas.csv").read_text() and log(place)["mallory"] == 3
    check_page(place / "out")
    assert "\x1b" not in (place / "out" / "grades.csv").read_text()
    class_of(place / "class", mallory="right")
    batch(place / "class", place / "out")
    assert rows(place / "out")[2][1:4] == ["100", "100", "200"] and log(place)["alice"] == 1


@pytest.mark.parametrize("kind", ["sleep", "deaf"])
def test_one_that_takes_too_long(place, monkeypatch, kind):
    """It is told to end, and then made to; nothing of it is left."""
    monkeypatch.setattr(task, "GRACE", 0.5)
    monkeypatch.setattr(version, "SPARE", 0)
    class_of(place / "class", mallory=kind)
    batch(place / "class", place / "out", "--budget", "1", "--attempts", "1", status=1)
    assert rows(place / "out")[1][5] == "not judged: it was not done after 2 s"


def tasks_of(place, **settings):
    students = roster.roster(place / "class")
    told = Settings(STEPS, **{"grader": tuple(shlex.split(STUB)), **settings})
    scratch = "eight-servers-batch-test-"
    return [Task(str(place / "class"), one, str(place / "out"), told, grader_version(), scratch) for one in students]


def test_a_worker_that_cannot(place):
    """Any executor will do; what it fails at is reported as not judged, and costs no other."""
    made_up(place / "class", 5)

    class Odd(ThreadPoolExecutor):
        def submit(self, call, task):
            if task.student.name == "student-03":
                future = Future()
                future.set_exception(MemoryError("no \x1b room"))
                return future
            return super().submit(call, task)

    with Odd(2) as executor:
        done = {task.student.name: what for task, what in engines.graded(executor, tasks_of(place))}
    assert [name for name, what in done.items() if not what.judged] == ["student-03"]
    found = entry.read(place / "out" / "student-03" / entry.NAME)
    assert (
        found.note == "not judged: given up after 2 attempts: the worker could not grade it: MemoryError: no \\x1b room"
    )


def test_another_version_elsewhere(place):
    """A worker with another grader grades nothing."""
    made_up(place / "class", 1)
    (one,) = tasks_of(place)
    with engines.local(1) as executor:
        other = Task(one.submissions, one.student, one.out, one.settings, "another", one.scratch)
        ((_, done),) = engines.graded(executor, [other])
    assert not done.judged and not log(place)


# Again, and again


def test_again(place):
    """A second run keeps what is there. What has changed is graded, and no more; --regrade grades all."""
    made_up(place / "class", 6)
    batch(place / "class", place / "out", "--jobs", 3)
    first = the_book(place / "out")
    done = batch(place / "class", place / "out")
    assert "0 graded now, 6 kept" in done.stdout and the_book(place / "out") == first
    assert set(log(place).values()) == {1}
    class_of(place / "class", **{"student-01": "right"})
    (place / "class" / "student-02" / "notes.txt").write_text("beside what is graded")
    (place / "out" / "student-03" / "entry.json").write_text("{")
    batch(place / "class", place / "out")
    assert log(place) == {f"student-{n:02}": 2 if n in (1, 3) else 1 for n in range(6)}
    batch(place / "class", place / "out", "--seed", 9)
    assert log(place)["student-00"] == 2
    batch(place / "class", place / "out", "--seed", 9, "--regrade")
    assert log(place)["student-00"] == 3
    assert {path.name for path in (place / "out").iterdir() if not path.name.startswith("student-")} == {
        ".batch",
        "grades.csv",
        "index.html",
    }


def test_killed_at_any_moment(place, monkeypatch):
    """Killed five times (SIGKILL) at moments that nobody has chosen, then left to end: the same book as undisturbed."""
    made_up(place / "class", 14)
    (place / "class" / "mallory.zip").write_bytes(b"PK\5\6")
    batch(place / "class", place / "undisturbed", "--jobs", 4)
    monkeypatch.setenv("STUB_NAP", "0.15")
    moments = random.Random(os.urandom(8))
    graded = 0
    for _ in range(5):
        process = subprocess.Popen(
            command(place / "class", place / "out", "--jobs", 2), cwd=REPOSITORY, stdout=subprocess.PIPE
        )
        try:
            process.wait(moments.uniform(0.3, 1.5))
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
        now = len(list((place / "out").glob("*/entry.json")))
        assert now >= graded
        graded = now
        for path in (place / "out").glob("*/*.json"):
            json.loads(path.read_text())
    batch(place / "class", place / "out", "--jobs", 2)
    assert the_book(place / "out") == the_book(place / "undisturbed")
    assert not list((place / "tmp").iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted(place, number):
    """A line, status 130, nothing left that runs; the same command goes on."""
    class_of(place / "class", alice="right", bob="sleep", carol="sleep", dave="right")
    process = subprocess.Popen(
        command(place / "class", place / "out", "--jobs", 2),
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: log(place)["carol"], "two that sleep")
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err.count("\n") == 1 and "goes on where it stopped" in err
    assert not tools.processes_of(place / "tmp") and not list((place / "tmp").iterdir())
    assert (place / "out" / "alice" / "entry.json").exists() and not (place / "out" / "bob").exists()


def test_two_at_once(place):
    """The second of two batches that write to one folder is refused; that a killed one left is swept by the next."""
    class_of(place / "class", bob="sleep")
    first = subprocess.Popen(command(place / "class", place / "out"), cwd=REPOSITORY)
    until(lambda: log(place)["bob"], "its beginning")
    assert "another batch writes there" in batch(place / "class", place / "out", status=2).stderr
    left = list((place / "tmp").iterdir())
    first.kill()
    first.wait()
    class_of(place / "class", bob="right")
    batch(place / "class", place / "out")
    assert left and not list((place / "tmp").iterdir())


# Parts


@pytest.mark.parametrize("together", [False, True])
def test_parts(place, together):
    """Four parts, each in its own folder or all in one, joined: the book of one machine, byte for byte."""
    made_up(place / "class", 10)
    (place / "class" / "<b>").mkdir()
    batch(place / "class", place / "one", "--jobs", 4, "--csv", "moodle")
    outs = [place / ("part" if together else f"part-{n}") for n in range(1, 5)]
    for n, out in enumerate(outs, 1):
        done = batch(place / "class", out, "--shard", f"{n}/4")
        assert "tox -e merge" in done.stdout and not (out / "grades.csv").exists()
    assert set(log(place).values()) == {2}
    batch(dict.fromkeys(outs), place / "merged", "--csv", "moodle", module="grader.batch.merge")
    assert the_book(place / "merged") == the_book(place / "one")
    check_page(place / "merged")
    batch(dict.fromkeys(outs), place / "merged", "--csv", "moodle", module="grader.batch.merge")
    if together:
        batch([place / "part"], place / "part", "--csv", "moodle", module="grader.batch.merge")
        assert the_book(place / "part") == the_book(place / "one")


def test_parts_that_do_not_fit(place):
    """One that is missing, was not finished, was graded in another way or of another class: a line that says which."""
    made_up(place / "class", 6)
    outs = [place / f"part-{n}" for n in (1, 2, 3)]
    for n, out in enumerate(outs, 1):
        batch(place / "class", out, "--shard", f"{n}/3", steps="05")

    def said(folders):
        return batch(folders, place / "merged", module="grader.batch.merge", status=2).stderr

    assert "missing of 3 parts: 2" in said([outs[0], outs[2]])
    assert "holds no whole part" in said([*outs, place / "class"])
    (outs[1] / "student-01" / "entry.json").rename(place / "kept")
    assert "student-01 is not what part 2 has graded" in said(outs)
    (place / "kept").rename(outs[1] / "student-01" / "entry.json")
    batch(place / "class", outs[1], "--shard", "2/3", "--seed", "9", steps="05")
    assert "was graded with another seed" in said(outs)
    class_of(place / "class", zoe="right")
    batch(place / "class", outs[1], "--shard", "2/3", steps="05")
    assert "is a part of another class" in said(outs)
    (outs[1] / "shard-2-of-3.json").write_text("[]")
    assert "is no part of a batch" in said(outs)
    assert not (place / "merged" / "grades.csv").exists()


# A cluster


@contextmanager
def cluster(place, allowed):
    """Two workers of Dask's on this machine; allowed: how many of them a task may end and be tried again."""
    dask, distributed = pytest.importorskip("dask"), pytest.importorskip("distributed")
    settings = {"distributed.scheduler.allowed-failures": allowed, "temporary-directory": str(place / "dask")}
    local = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "silence_logs": 60}
    with dask.config.set(settings), distributed.LocalCluster(**local) as found, distributed.Client(found) as client:
        yield found.scheduler_address, client


@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore")
def test_a_worker_dies(place, monkeypatch):
    """One of two is killed in mid-work: what it had is graded elsewhere, and the book is that of one machine."""
    made_up(place / "class", 12)
    batch(place / "class", place / "one", "--jobs", 4)
    monkeypatch.setenv("STUB_NAP", "0.2")
    with cluster(place, 3) as (address, client), ThreadPoolExecutor(1) as thread:
        running = thread.submit(batch, place / "class", place / "out", "--scheduler", address)
        until(lambda: list((place / "out").glob("*/entry.json")), "the first")
        os.kill(client.run(os.getpid).popitem()[1], signal.SIGKILL)
        assert "12 submissions: " in running.result(200).stdout
    assert the_book(place / "out") == the_book(place / "one")


@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore")
def test_one_that_ends_workers(place):
    """Whatever worker it comes to: it is given up after what is said, and those beside it have their grades."""
    class_of(place / "class", alice="right", bob="wrong", mallory="poison", zoe="right")
    with cluster(place, 0) as (address, _):
        batch(place / "class", place / "out", "--scheduler", address, status=1)
    note = "not judged: given up after 2 attempts: it ended 1 workers in each"
    assert [row[3] for row in rows(place / "out")[1:]] == ["200", "150", "", "200"]
    assert rows(place / "out")[3][5] == note and log(place)["mallory"] == 2
    check_page(place / "out")
    class_of(place / "class", mallory="right")
    assert "3 kept, 0 not judged" in batch(place / "class", place / "out").stdout


# Arguments


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--shard", "0/4"], "--shard 0/4: it is I/N"),
        (["--shard", "5/4"], "it is I/N"),
        (["--shard", "1"], "it is I/N"),
        (["--steps", "09"], "there is no step '09'"),
        (["--jobs", "0"], "--jobs"),
        (["--budget", "nan"], "--budget"),
        (["--scheduler", "tcp://127.0.0.1:9"], "--scheduler"),
        (["--out", "/proc/x"], "--out /proc/x cannot be written to"),
        (["--csv", "excel"], "--csv"),
    ],
)
def test_bad_arguments(place, monkeypatch, more, words):
    """Status 2, and the last line says what is wrong."""
    monkeypatch.setattr(engines, "PATIENCE", 0.5)
    made_up(place / "class", 1)
    done = batch(place / "class", place / "out", *more, status=2)
    assert words in done.stderr.splitlines()[-1] and not (place / "out" / "grades.csv").exists()


def test_no_class(place):
    """A folder that is not there, is empty, or is one submission."""
    (place / "empty").mkdir()
    (place / "empty" / ".DS_Store").write_text("")
    for folder, words in ((place / "none", "cannot be read"), (place / "empty", "is empty")):
        assert words in batch(folder, place / "out", status=2).stderr
    assert "that is one submission" in batch(REPOSITORY / "solutions", place / "out", status=2).stderr


def test_a_reader_that_leaves(place):
    """`| head -1`: the batch goes on to its end."""
    made_up(place / "class", 5)
    line = shlex.join(command(place / "class", place / "out"))
    subprocess.run(["bash", "-c", f"{line} | head -1"], cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)
    until(lambda: (place / "out" / "index.html").exists(), "the book")
    assert len(rows(place / "out")) == 6


# The page


def many(count):
    found = []
    for number in range(count):
        checks = {"answers": "p", "one_thread": "f" if number % 4 == 0 else "p", "more": "n"}
        lost = {"one_thread": 40} if number % 4 == 0 else {}
        step = entry.StepEntry(STEPS[0], 60 if lost else 100, checks, lost)
        found.append(entry.Entry(f"s{number:04}", f"s{number:04}", "k", "none", "", [step]))
    return found


def test_a_large_class(tmp_path):
    """In parts of 250 rows, each on a page of its own; what all have in common is on the first."""
    class_ = many(600)
    for one in class_:
        (tmp_path / one.folder).mkdir()
        (tmp_path / one.folder / "report.html").write_text("")
    (tmp_path / "students-9.html").write_text("of a larger class")
    (tmp_path / "grades.csv").write_text("")
    page.write(tmp_path, class_, (STEPS[0],))
    names = ["index.html", "students-2.html", "students-3.html"]
    assert sorted(path.name for path in tmp_path.glob("*.html")) == names
    check_page(tmp_path, names)
    first = (tmp_path / "index.html").read_text()
    assert first.count('<tr><th scope="row"><a href="s0') == 250 and "150 of 600" in first
    (table,) = page.tables(tmp_path, class_, (STEPS[0],))
    assert [(line.name, line.failed, line.judged, line.lost, line.share) for line in table.lines] == [
        ("answers", 0, 600, 0, 0),
        ("one_thread", 150, 600, 6000, 25),
        ("more", 0, 600, 0, 0),
    ]
    assert dict(page.histogram(class_, 100))["60 to 69"] == 150 and page.histogram(class_, 100)[-1] == ("all 100", 450)
    assert [line.name for line in page.to_teach([table])] == ["one_thread"]


def test_nobody_was_judged(tmp_path):
    """A page all the same."""
    step = entry.StepEntry(STEPS[0], None)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "report.html").write_text("")
    (tmp_path / "grades.csv").write_text("")
    page.write(tmp_path, [entry.Entry("a", "a", "k", "", "not judged", [step])], (STEPS[0],))
    assert "1 not judged" in check_page(tmp_path)


def test_entries_that_are_none(tmp_path):
    """Whatever is in its place, it is read as none."""
    path = tmp_path / "entry.json"
    for text in (
        "",
        "{",
        "[]",
        "null",
        '{"schema": "x"}',
        '{"schema": "eight-servers/entry/v1", "steps": 1}',
        "[" * 9999,
    ):
        path.write_text(text)
        assert entry.read(path) is None
    path.unlink()
    os.mkdir(path)
    assert entry.read(path) is None


# For real


@pytest.mark.timeout(300)
def test_a_real_class(place):
    """Three servers of step 1 through the grader itself: right, wrong, and not begun."""
    wrong = tools.solution("01_blocking").replace('b"404"', 'b"200"')
    servers = {"right": tools.solution("01_blocking"), "broken": "raise SystemExit(1)\n", "wrong": wrong}
    for name, text in servers.items():
        tools.submission(place / "class" / name, {"01_blocking": text})
    try:
        walls = apart.available("auto")
    except CannotGrade:
        walls = "none"
    batch(place / "class", place / "out", "--jobs", 2, "--walls", walls, "--examples", 3, steps="01", grader="")
    found = {row[0]: row[1:] for row in rows(place / "out")[1:]}
    assert found["right"] == ["100", "100", walls, ""] and found["broken"][0] == "0"
    text = check_page(place / "out")
    report = (place / "out" / "broken" / "report.html").read_text()
    tree = html5lib.parse(report, namespaceHTMLElements=False)
    anchors = {node.get("id") for node in tree.iter() if node.get("id")}
    wanted = [link.split("#")[1].split('"')[0] for link in text.split('href="broken/report.html')[1:]]
    assert len(wanted) > 30 and set(wanted) <= anchors


# At once, or in turn


def test_in_turn(place, monkeypatch):
    """Where servers can reach each other no two submissions are graded at once; else they are."""
    class_of(place / "class", **dict.fromkeys(("alice", "bob", "carol"), "right"))
    now, most = set(), []

    def watched(task, scratch, run=task.run_grader):
        now.add(task.student.name)
        most.append(len(now))
        if len(most) == 1 and task.settings.walls == "bwrap":
            until(lambda: len(now) > 1, "another at the same time")
        try:
            stub = replace(task.settings, grader=tuple(shlex.split(STUB)))
            return run(replace(task, settings=stub), scratch)
        finally:
            now.discard(task.student.name)

    monkeypatch.setattr(task, "run_grader", watched)
    monkeypatch.setattr(apart, "available", lambda walls: walls)
    with engines.local(3) as executor:
        list(engines.graded(executor, tasks_of(place, walls="none", grader=GRADER)))
    assert most == [1, 1, 1]
    most.clear()
    with engines.local(3) as executor:
        list(engines.graded(executor, tasks_of(place, walls="bwrap", grader=GRADER)))
    assert max(most) > 1


def test_no_walls_to_be_had(place, monkeypatch):
    """Strangers' code is not graded without any by mistake: a line, and how to ask for it by name."""

    def refused(uid, python):
        raise CannotGrade("not here")

    monkeypatch.setattr(choice, "bubblewrap", refused)
    monkeypatch.setattr(choice, "user", refused)
    apart.available.cache_clear()
    made_up(place / "class", 1)
    said = batch(place / "class", place / "out", status=2, grader="").stderr
    assert said == "batch: --walls auto: bwrap: not here; user: not here. `--walls none` grades without any\n"
    batch(place / "class", place / "out", "--walls", "none")
    apart.available.cache_clear()
