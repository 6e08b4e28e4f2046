"""What a finding says is to be typed: it is tried before it is told, and shows what it was told for."""

import os
import signal
import subprocess
import sys

import corpus
import hands
import pytest
import tools
from tools import REPOSITORY, solution

from grader import bash, by_hand
from grader.bash import Deed, named, printed
from grader.docroot import DocumentRoot
from grader.finding import CannotGrade, Finding
from grader.learn import site

#: One of each kind: a status, a body, a head too long to be written out, a connection that stays, others that stall,
#: a reader that reads nothing, two requests in a row, a server that ends, and what no client can see.
SAMPLE = (
    "01_blocking/text_newlines",
    "02_multiprocess/request_line_of_4094",
    "03_multithread/keeps_old_clients",
    "03_multithread/join_after_start",
    "06_keepalive/501_drops_what_is_behind",
    "06_keepalive/bad_utf8_unhandled",
)


@pytest.mark.parametrize(
    "data",
    [
        b"GET /%41 HTTP/1.1\r\n\r\n",
        b"",
        b"-n \\ ' \" ! $x `a`\t\n",
        bytes(range(256)),
        b"a=b&" * 99 + b"%s" * 30 + b"x",
    ],
)
def test_printf_says_the_same_bytes(data):
    """Whatever is sent, bash's printf sends the same; what comes again and again is written once."""
    done = subprocess.run(["bash", "-c", printed(data)], capture_output=True, check=True)
    assert done.stdout == data
    assert len(printed(b"x" * 9000)) < 60


@pytest.mark.parametrize("text", ["b'GET / \\r\\n'", r"\\ \" $x `a` \n \\\" \\$", "it's b'!'", 'say "b"'])
def test_words(text):
    """A word is the same text for who is called with it."""
    done = subprocess.run(["bash", "-c", f"printf %s {bash.word(text)}"], capture_output=True, text=True, check=True)
    assert done.stdout == text


def test_names_of_files(tmp_path):
    """A path is one word of bash, whatever it holds."""
    for name in ("a b", "it's", "line\nbreak", "中文", "\x80", "$HOME"):
        made = subprocess.run(["bash", "-c", f"echo hello >{named(name)}"], cwd=tmp_path, env={"LC_ALL": "C"})
        assert made.returncode == 0 and (tmp_path / name).read_text() == "hello\n"


@pytest.mark.parametrize(
    ("deed", "words"),
    [
        (Deed((b"GET / HTTP/1.1\r\n\r\n",)), "cat -v"),
        (Deed((b"GET / HT", b"TP/1.1\r\n\r\n")), "sleep 1; printf 'TP/1.1"),
        (Deed((b"x",), half_closed=True), "SHUT_WR"),
        (Deed((b"x",), leaves="reset"), "SO_LINGER"),
        (Deed((b"x",), reading=False), "sleep 3"),
    ],
)
def test_deeds_in_bash(deed, words):
    """What bash has a word for is written so, and the rest in Python; each is a line that bash can read."""
    line = bash.asked(deed, 0)
    assert words in line and "\n" not in line
    assert subprocess.run(["bash", "-n", "-c", line]).returncode == 0


@pytest.mark.parametrize("name", SAMPLE)
def test_lines_show_the_fault(name, temporary):
    """Each line shows the fault with the server that it was told of, and none with the solution."""
    (entry,) = [entry for entry in corpus.entries("wrong") if entry.name == f"wrong/{name}"]
    lines, bad = hands.tried(entry, False)
    assert bad == []
    told = [one for one in lines if one.check in entry.caught_by and one.repeat]
    assert told and all("--site" in one.repeat and entry.step[:2] in one.repeat for one in told)


def test_nothing_that_does_not_show(grading):
    """A fault that comes of all that was before has no line: another server that is asked the same is right."""
    run = grading(solution("01_blocking"), "01_blocking")
    run.verdicts.line = "contents"
    with run.started() as server:
        client = server.ask("/page1.txt")
        server.reply(client)
        with pytest.raises(Finding) as found:
            server.fail("200 with nothing", "something", clients=[client], amiss=lambda other: other is client)
    assert found.value.repeat == ""


def test_who_looks_sees_the_clients(grading):
    """Who is to look while clients are there, or after one has left, does first what these did."""
    run = grading(solution("07_epoll"), "07_epoll")
    run.verdicts.line = "idle"
    with run.started() as server:
        for _ in range(3):
            server.client().send(b"GET / HT")
        with pytest.raises(Finding) as found:
            server.fail("no use of CPU", "some")
        assert "{1..3}" in found.value.repeat and "printf 'GET / HT'" in found.value.repeat
        server.clients[0].close()
        with pytest.raises(Finding) as found:
            server.fail(f"nothing left of {server.clients[0].name}", "something")
        assert "sleep 1); sleep 1; ls -l /proc/" in found.value.repeat


def test_what_is_tried_leaves_nothing(grading):
    """The servers that a line is tried with are ended, and no check hears of them."""
    run = grading(solution("02_multiprocess"), "02_multiprocess")
    run.verdicts.line = "missing"
    with run.started() as server:
        client = server.ask("/page1.txt")
        server.reply(client)
        launches, stage = list(run.launches), list(run.stage)
        with pytest.raises(Finding) as found:
            server.fail("404 (why)", "client #1 was answered 200", clients=[client], amiss=lambda other: True)
        assert run.launches == launches and run.stage == stage
    assert found.value.repeat.endswith("curl -sSi -g --path-as-is --max-time 5 http://127.0.0.1:7890/page1.txt")


def test_a_file_made_for_one_check(grading):
    """It is made first, though what was asked for has a query behind the name."""
    run = grading(solution("01_blocking"), "01_blocking")
    run.verdicts.line = "queries"
    with run.started() as server:
        server.root.add_named("what?.txt", "/what%3F.txt")
        client = server.ask("/what%3F.txt?what?")
        server.reply(client)
        with pytest.raises(Finding) as found:
            server.fail("404 (why)", "client #1 was answered 200", clients=[client], amiss=lambda other: True)
    assert "echo hello >" in found.value.repeat and "what?.txt" in found.value.repeat


def test_what_fails_while_a_line_is_tried(grading):
    """It is not tried again by hand, and again, and so on: a server that ends with its first client, and soon."""
    ends = "def accept(listener):\n    listener.accept()\n    os._exit(0)\n\n\ndef unused("
    run = grading(solution("01_blocking").replace("def accept(", ends), "01_blocking")
    run.verdicts.line = "contents"
    made, launch = [], run.launch
    run.launch = lambda *arguments: made.append(launch(*arguments)) or made[-1]
    with pytest.raises(Finding) as found, run.started() as server:
        server.serves(server.ask("/page1.txt"), "/page1.txt")
    assert 1 < len(made) <= 1 + by_hand.MOST_TRIES and run.launches == []
    assert "/page1.txt; sleep 1; curl" in found.value.repeat


def test_the_site_is_the_same_each_time(tmp_path):
    """Same names and bytes in every run, and the names of the site of a grade; secrets beside the root; then gone."""
    found = []
    for _ in range(2):
        with site.laid_out(tmp_path / "site") as root:
            found.append({path.relative_to(tmp_path): path.is_file() for path in (tmp_path / "site").rglob("*")})
            found.append(dict(root.files))
            assert root.leaks((tmp_path / "site" / "secret.txt").read_bytes())
        assert os.listdir(tmp_path) == []
    assert found[:2] == found[2:]
    (tmp_path / "other").mkdir()
    graded = DocumentRoot(tmp_path / "other")
    graded.add_outside()
    there = {path.relative_to(tmp_path / "other") for path in (tmp_path / "other").rglob("*")}
    assert there <= {path.relative_to("site") for path in found[0]}
    assert graded.files["/page1.txt"] != found[1]["/page1.txt"]


def test_the_site_is_one_servers(tmp_path):
    """A second run is refused in a line; what one that was killed has left there goes."""
    (tmp_path / "site" / "old").mkdir(parents=True)
    with site.laid_out(tmp_path / "site"):
        assert not (tmp_path / "site" / "old").exists()
        with pytest.raises(CannotGrade, match="another server has the site"), site.laid_out(tmp_path / "site"):
            pass
        assert (tmp_path / "site" / "www").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_with_the_site(tmp_path, number):
    """`run 01 --site` says where the site is, serves it, and removes it when it ends."""
    program = REPOSITORY / "solutions" / "01_blocking" / "server.py"
    with hands.served(program, "01_blocking") as (folder, port):
        url = f"http://127.0.0.1:{port}/sub/deep/page.txt"
        got = subprocess.run(["curl", "-sS", url], capture_output=True, check=True).stdout
        assert got == (folder / "sub" / "deep" / "page.txt").read_bytes()
    assert not folder.exists()
    command = [sys.executable, "-m", "grader.learn", "run", "--kept", str(tmp_path), "01", "--site"]
    run = subprocess.Popen(
        [*command, "--submission", "solutions", "--port", "0"], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    assert "removed in the end" in run.stdout.readline() and "http" in run.stdout.readline()
    assert (tmp_path / "site" / "www" / "link.txt").is_symlink()
    run.send_signal(number)
    assert run.wait(tools.PATIENT) == 0 and os.listdir(tmp_path) == []
    run.stdout.close()
