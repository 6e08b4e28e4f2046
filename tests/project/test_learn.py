"""What helps a learner along, as a learner uses it: in a copy of the repository with git."""

import ast
import hashlib
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import termios
import time
from contextlib import suppress

import pytest
import tools
from _pytest.mark.expression import Expression
from tools import REPOSITORY, STEPS, solution

from grader.finding import Finding
from grader.grading import TODO
from grader.learn import hints, home, stage, todos
from grader.learn.skeleton import cut
from grader.record import FAILED, NOT_RUN, NOT_SELECTED, PASSED, Check, Result
from grader.report import advice, board, records, text
from grader.words import plural

pytestmark = pytest.mark.usefixtures("temporary")
STEP = "01_blocking"


#: Lines of the rubric that take the most time, and of which nothing here speaks.
DEAR = ("thousand", "patience", "vanishing", "reset_in_answer", "no_leak", "flood", "strict", "endless_head", "library")
DEAR += ("command_line", "restart", "contents", "names", "ends_in_service", "output_closed", "none_to_be_had")


def without_the_dear(suite):
    """A suite without these lines, whose points are those of the gate."""
    points = 0
    for name in DEAR:
        if found := re.search(rf'^line\("{name}", (\w+).*\)\n', suite, re.M):
            points += int(found[1]) if found[1].isdigit() else 0
            suite = suite.replace(found[0], "")
    return re.sub(r'(?<=^line\("answers", )\d+', lambda found: str(int(found[0]) + points), suite, flags=re.M)


@pytest.fixture
def clone(tmp_path):
    """A copy of the repository as a new clone has it, committed."""
    folder = tmp_path / "clone"
    folder.mkdir()
    for name in ("grader", "solutions", "steps", "html", "tests/checks"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in REPOSITORY.glob("tests/*.py"):
        (folder / "tests" / path.name).write_text(without_the_dear(path.read_text("utf-8")), encoding="utf-8")
    for step in STEPS:
        (folder / "steps" / step / "server.py").write_text(home.skeleton(step), encoding="utf-8")
    git = ["git", "-C", folder, "-c", "user.name=x", "-c", "user.email=x@example.test"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "new"]):
        subprocess.run([*git, *words], check=True)
    return folder


def learn(clone, *words, status=0, **more):
    """Run a command in the clone; what it said."""
    command = [sys.executable, "-m", "grader.learn", *words]
    done = subprocess.run(command, cwd=clone, capture_output=True, text=True, timeout=100, env={**os.environ, **more})
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def mine(clone, step=STEP):
    return clone / "steps" / step / "server.py"


def grade(clone, *words):
    command = [sys.executable, "-m", "grader", STEP, "--kept", ".tox", *words]
    return subprocess.run(command, cwd=clone, capture_output=True, text=True, timeout=100)


def test_progress(clone):
    """New, begun, graded, changed since, done: each step's line says which."""
    assert learn(clone, "progress").count("not begun") == 8
    half = solution(STEP).replace("serve_client(accept(listener), root)", 'raise NotImplementedError("TODO 1: go on.")')
    mine(clone).write_text(half)
    assert re.search(rf"{STEP} +TODO 1: go on\.", learn(clone, "progress"))
    grade(clone)
    assert re.search(rf"{STEP} +0 of 100  TODO 1", learn(clone, "progress"))
    mine(clone).write_text(solution(STEP))
    assert "changed since" in learn(clone, "progress")
    assert grade(clone).returncode == 0
    said = learn(clone, "progress")
    assert re.search(rf"{STEP} +100 of 100  done", said) and "next: steps/02_multiprocess/README.md" in said


def test_a_part_is_no_progress(clone):
    """Grading a part, or another submission, leaves what is known of the learner's own as it was."""
    assert "step01-part.html" in grade(clone, "-k", "answers").stdout
    assert not (clone / ".tox/report/step01.html").exists()
    grade(clone, "--submission", "solutions")
    assert (clone / ".tox/report/step01.html").exists()
    assert not (clone / ".tox" / "results").exists()


def test_broken_results(clone):
    """Results that are no results are taken for none."""
    (clone / ".tox" / "results").mkdir(parents=True)
    mine(clone).write_text(solution(STEP))
    for broken in ("", "[]", "{}", '{"steps": [1]}', '{"steps": [{"score": "x"}]}', "\0"):
        (clone / ".tox" / "results" / "01.json").write_text(broken)
        assert "not graded" in learn(clone, "progress")


def test_hints(clone):
    """The first TODO's hints, one at a time, and what comes after the last."""
    assert "hint 1 of 3" in learn(clone, "hint", "01") and "hint -- 01 2" in learn(clone, "hint", "1")
    assert "hint 3 of 3" in learn(clone, "hint", "step01", "3")
    assert learn(clone, "hint", "01", "4", status=2) == "there is no hint 4 for this: 1 to 3\n"
    assert "hint -- 01 3 --todo 5" in learn(clone, "hint", "01", "2", "--todo", "5")
    assert "hint 2 of 3" in learn(clone, "hint", "01", "--todo", "5", "2")
    assert learn(clone, "hint", "01", "--todo", "7", status=2) == "there is no TODO 7: step 01 has 1 to 6\n"
    mine(clone).write_text(solution(STEP))
    assert "says what fails" in learn(clone, "hint", "01")
    assert "TODO 2: receive until the head is whole." in learn(clone, "hint", "01", "--todo", "2"), "written, and told"


def test_hint_for_a_failure(clone):
    """Without a TODO left, the hints are those of the TODO that what failed first belongs to, a changed file or not."""
    bug = solution(STEP).replace(' or b".." in name.split(b"/")', "").replace(" or not place.startswith(root)", "")
    assert len(bug) < len(solution(STEP)) - 50
    mine(clone).write_text(bug)
    grade(clone)
    said = learn(clone, "hint", "01", "2")
    assert "outside: Nothing outside the root" in said and "where does the path end up" in said
    assert "TODO 5: drop the query" in said and "hint 2 of 3: Order matters" in said and "hint -- 01 3" in said
    mine(clone).write_text(bug + "\n")
    assert "hint 3 of 3" in learn(clone, "hint", "01", "3") and "was changed since" in learn(clone, "hint", "01")


def kept(clone, *checks, step="02_multiprocess"):
    """As if the learner's file had been graded: checks with their outcomes."""
    result = Result(step, "steps", sha256=hashlib.sha256(mine(clone, step).read_bytes()).hexdigest(), checks=[*checks])
    folder = clone / ".tox" / "results"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{step[:2]}.json").write_text(records.render([result]))


def test_hint_for_what_is_about_no_todo(clone):
    """A check that rests on what the skeleton brought: what is known of it; a stretch check after all points: hints."""
    mine(clone, "02_multiprocess").write_text(solution("02_multiprocess"))
    finding = Finding("404", "200", look_at="which way?", stood=["main process: running"])
    bad = Check("outside", "Nothing outside.", 3, outcome=FAILED, finding=finding)
    kept(clone, bad)
    assert "hint 1 of 3: which way?" in learn(clone, "hint", "02")
    assert "git diff HEAD -- steps/02_multiprocess/server.py" in learn(clone, "hint", "02", "3")
    good = Check("outside", "Nothing outside.", 100, outcome=PASSED)
    kept(clone, good, Check("none_to_be_had", "It lives.", 0, stretch=True, outcome=FAILED, finding=finding))
    said = learn(clone, "hint", "02", "2")
    assert "none_to_be_had: It lives.\nTODO 1: start a child" in said and "hint 2 of 3" in said
    assert "done" in learn(clone, "progress")


def test_the_todo_of_a_line(clone):
    """A line belongs to the TODO under whose comment it stands, up to where the skeleton goes on; without, to none."""
    lines = [line for line in solution(STEP).split("\n") if "SOLUTION" not in line]
    mine(clone).write_text("\n".join(lines))
    numbers = [
        next(str(n) for n, line in enumerate(lines, 1) if line.startswith(start))
        for start in ("        inbox += data", "    status, place", "    suffix", "def read_head", "HEAD = ")
    ]
    program = (
        f"import sys; from grader.learn import home; print(*[home.todo_at({STEP!r}, int(n)) for n in sys.argv[1:]])"
    )
    run = subprocess.run([sys.executable, "-c", program, *numbers], cwd=clone, capture_output=True, text=True)
    assert run.stdout.split() == ["2", "6", "3", "0", "0"], run.stderr


@pytest.mark.parametrize("step", STEPS)
def test_every_todo_has_its_hints(step):
    """Three for each, none of which holds a line of the solution."""
    numbers = [int(number) for _, number in TODO.findall(home.skeleton(step))]
    told = hints.hints(step)
    assert sorted(told) == sorted(numbers)
    lines = {line.strip() for line in solution(step).splitlines() if len(line.strip()) > 25}
    for each in told.values():
        assert len(each) == 3 and all(len(hint) > 30 for hint in each)
        assert not any(line in hint for hint in each for line in lines)


def test_reset(clone):
    """Nothing is lost that git does not hold: refused before a commit, done after it."""
    assert "the skeleton already" in learn(clone, "reset", "01")
    mine(clone).write_text("mine\n")
    said = learn(clone, "reset", "01", status=2)
    assert "git does not hold" in said and mine(clone).read_text() == "mine\n"
    git = ["git", "-C", clone, "-c", "user.name=x", "-c", "user.email=x@example.test"]
    subprocess.run([*git, "commit", "-qam", "mine"], check=True)
    assert "is the skeleton again" in learn(clone, "reset", "01")
    assert mine(clone).read_text() == home.skeleton(STEP)
    mine(clone).unlink()
    assert "was not there, and is the skeleton now; `git checkout HEAD -- " in learn(clone, "reset", "01")
    assert mine(clone).read_text() == home.skeleton(STEP)
    subprocess.run([*git, "commit", "-qam", "back"], check=True)
    mine(clone).unlink()
    assert "is the skeleton now; git holds no other" in learn(clone, "reset", "01")


def test_reset_without_git(clone):
    """Where there is no git, changes are not thrown away."""
    shutil.rmtree(clone / ".git")
    mine(clone).write_text("mine\n")
    learn(clone, "reset", "01", status=2)
    assert mine(clone).read_text() == "mine\n"


def test_compare_asks_first(clone):
    """Our solution is not shown to one who has not got there, unless he says so."""
    assert "not begun" in learn(clone, "compare", "01", status=2)
    terminal = Terminal(clone, "-m", "grader.learn", "compare", "01")
    terminal.until("[y/N] ")
    terminal.keys("\n")
    assert terminal.end() == 0 and "@@" not in terminal.shown
    mine(clone, "02_multiprocess").write_text(solution("02_multiprocess"))
    kept(clone, Check("answers", "It answers.", 100, outcome=FAILED))
    assert "0 of 100 points" in learn(clone, "compare", "02", status=2)


def test_compare(clone):
    """Both are graded and told side by side, and so they stand on the page."""
    mine(clone).write_text(solution(STEP).replace('"400 Bad Request"', '"402 Oh"'))
    said = learn(clone, "compare", "01", status=2)
    assert len(said.splitlines()) == 1 and "has not been graded" in said and "compare -- 01 --anyway" in said
    said = learn(clone, "compare", "01", "--anyway")
    assert re.search(r'-  .* "402 Oh"', said) and re.search(r'\+  .* "400 Bad Request"', said)
    assert re.search(r"points +98 +100", said) and re.search(r"junk +failed +passed", said)
    assert re.search(r"requests a second, 8 at once +\d+ +\d+", said)
    page = (clone / ".tox/report/compare01.html").read_text()
    assert "<title>Yours beside ours: 01_blocking" in page and page.count("<h3>Yours</h3>") == page.count(
        "<h3>Ours</h3>"
    )


USAGE = (
    [],
    ["x"],
    ["hint"],
    ["hint", "09"],
    ["reset", "x"],
    ["run"],
    ["hint", "01", "x"],
    ["watch"],
    ["compare", "-x"],
)


@pytest.mark.parametrize("words", USAGE)
def test_bad_arguments(clone, words):
    """Bad arguments: 2, and one line of why, with a command as it is typed."""
    said = learn(clone, *words, status=2)
    name = words[0] if words and words[0] != "x" else "progress"
    assert len(said.splitlines()) == 1 and f"`./toxw -e {name}" in said and "python -m" not in said


def test_bad_arguments_of_a_step():
    """The same of an environment that grades."""
    run = tools.grade("01", "--nosuch", TOX_ENV_NAME="step01")
    assert run.status == 2 and len(run.err.splitlines()) == 1 and run.err.startswith("./toxw -e step01: ")


def test_unwritable_folder(clone):
    """What cannot be written is said in a line, and what was graded is told all the same."""
    mine(clone).write_text("raise SystemExit(3)\n")
    (clone / ".tox").write_text("in the way")
    said = grade(clone)
    assert said.returncode == 1 and "Traceback" not in said.stderr
    assert ".tox/results/01.json could not be written: Not a directory" in said.stderr
    mine(clone).unlink()
    mine(clone).parent.rename(clone / "steps" / "elsewhere")
    (clone / "steps" / STEP).write_text("in the way")
    assert learn(clone, "reset", "01", status=2).startswith(f"steps/{STEP}")


def test_no_file(clone):
    """A step without server.py: every command says what to do."""
    mine(clone).unlink()
    for command in ("hint", "watch", "run", "compare"):
        assert "reset -- 01" in learn(clone, command, "01", status=2)
    assert "reset -- 01" in learn(clone, "progress")


def test_run(clone):
    """The server runs as the learner's own program, and Ctrl-C ends it."""
    mine(clone).write_text(solution(STEP))
    command = [sys.executable, "-m", "grader.learn", "run", "01", "--port", "0"]
    run = subprocess.Popen(command, cwd=clone, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert run.stdout.readline().startswith("http://127.0.0.1:")
    os.killpg(run.pid, signal.SIGINT)
    assert run.wait(tools.PATIENT) == 0
    run.stdout.close()


class Terminal:
    """A command at a terminal of its own: what it has shown, and its keys."""

    def __init__(self, clone, *words, **more):
        self.shown = ""
        pid, self.master = pty.fork()
        if pid == 0:
            os.chdir(clone)
            os.environ.pop("NO_COLOR", None)
            os.environ.update({"TERM": "xterm-256color", "COLUMNS": "100", **more})
            os.execv(sys.executable, [sys.executable, *words])
        self.pid = pid

    def until(self, words):
        """Read until these words have come."""
        end = time.monotonic() + 100  # seconds: a whole run on a busy machine
        while words not in self.shown:
            assert time.monotonic() < end, self.shown
            try:
                self.shown += os.read(self.master, 65536).decode("utf-8", "replace")
            except OSError:
                assert words in self.shown, self.shown
        before, _, self.shown = self.shown.partition(words)
        return before

    def rest(self):
        """All that comes until the command has ended."""
        with suppress(OSError):
            while more := os.read(self.master, 65536):
                self.shown += more.decode("utf-8", "replace")
        return self.shown

    def keys(self, text):
        os.write(self.master, text.encode())

    def end(self):
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.master)
        return status


def test_watch(clone):
    """It grades at once, again at a save, tells of a syntax error calmly, and Ctrl-C ends it with its grader."""
    mine(clone).write_text(solution(STEP).replace('"400 Bad Request"', '"402 Oh"'))
    terminal = Terminal(clone, "-m", "grader.learn", "watch", "01")
    first = terminal.until("98 of 100 points")
    assert first.index("✓") < first.index("✗") and "first: " in first
    terminal.until("step01.html")
    mine(clone).write_text("def broken(:\n")
    assert "server.py line 1" in terminal.until("waiting for the next save")
    saved = mine(clone).with_name("saved.tmp")
    saved.write_text(solution(STEP))
    saved.rename(mine(clone))
    again = terminal.until("100 of 100 points")
    assert "A head that is no HTTP" in again.split("✓")[2], "what failed last comes first after the gate"
    terminal.keys("\x03")
    assert terminal.end() == 0


ENDS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT]


@pytest.mark.parametrize("number", ENDS)
def test_watch_is_ended_in_mid_run(clone, number):
    """Ctrl-C, kill or a closed terminal, while a server is under test, leave nothing behind (the fixture looks).

    The terminal is as it was, and no points are told.
    """
    mine(clone).write_text(solution(STEP))
    terminal = Terminal(clone, "-m", "grader.learn", "watch", "01")
    before = termios.tcgetattr(terminal.master)
    terminal.until("✓")
    assert not termios.tcgetattr(terminal.master)[3] & termios.ICANON, "a key is told without Enter"
    if number == signal.SIGINT:
        terminal.keys("\x03")
    else:
        os.kill(terminal.pid, number)
    assert "of 100 points" not in terminal.rest()
    assert termios.tcgetattr(terminal.master) == before
    assert terminal.end() == 0


def test_watch_keys(clone):
    """While it waits, keys do what the other commands do."""
    terminal = Terminal(clone, "-m", "grader.learn", "watch", "01")
    assert "n on to" not in terminal.until("q quit")
    for number in (1, 2, 3, 1):
        terminal.keys("h")
        terminal.until(f"hint {number} of 3")
    terminal.keys("n")
    terminal.until("01_blocking is not done yet; q, then `./toxw -e watch -- 02`")
    terminal.keys("o")
    terminal.until("picture: .tox/report/step01.html")
    terminal.keys("l")
    terminal.until("08_epoll_keepalive")
    terminal.keys("r")
    terminal.until("--- 01_blocking")
    terminal.until("q quit")
    terminal.keys("q")
    assert terminal.end() == 0


def test_watch_goes_on(clone):
    """The next step is offered when one is done."""
    mine(clone).write_text(solution(STEP))
    terminal = Terminal(clone, "-m", "grader.learn", "watch", "01")
    terminal.until("100 of 100 points")
    terminal.until("n on to step 02_multiprocess")
    terminal.keys("n")
    terminal.until("--- 02_multiprocess")
    terminal.until("TODO 1: start a child")
    mine(clone, "02_multiprocess").write_text("def broken(:\n")
    terminal.until("server.py line 1")
    terminal.until("q quit")
    terminal.keys("q")
    assert terminal.end() == 0


def test_watch_tries_what_is_written(clone):
    """While a TODO is open, the one before it is tried with ours in the place of the rest; r does so again."""
    mine(clone).write_text(cut(solution(STEP), first=2))
    terminal = Terminal(clone, "-m", "grader.learn", "watch", "01")
    terminal.until("that passes; now TODO 2")
    terminal.until("q quit")
    terminal.keys("h")
    terminal.until("TODO 2: receive")
    mine(clone).write_text(
        cut(solution(STEP), first=2).replace("serve_client(accept(listener), root)", "accept(listener)")
    )
    terminal.until("mend the first")
    terminal.until("q quit")
    terminal.keys("h")
    terminal.until("TODO 1: serve the next client.")
    terminal.keys("r")
    terminal.until("--- 01_blocking")
    terminal.keys("q")
    assert "of 100 points" not in terminal.rest()
    assert terminal.end() == 0


def test_watch_without_a_terminal(clone):
    """Where nobody can type, it grades and says no keys; TERM ends it."""
    run = subprocess.Popen(
        [sys.executable, "-m", "grader.learn", "watch", "01"],
        cwd=clone,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    said = []
    for line in run.stdout:
        said.append(line)
        if line.startswith("try: "):
            break
    run.terminate()
    assert run.wait(tools.PATIENT) == 0
    assert "q quit" not in "".join(said) + run.stdout.read()
    run.stdout.close()


def test_watch_a_save_in_mid_run(clone):
    """A save while a server is under test ends that run: the next is of what was saved, and gets to its end."""
    mine(clone).write_text(solution(STEP).replace('"400 Bad Request"', '"402 Oh"'))
    terminal = Terminal(clone, "-m", "grader.learn", "watch", "01")
    terminal.until("✓")
    mine(clone).write_text(solution(STEP))
    assert "98 of 100 points" not in terminal.until("\n--- 01_blocking") + terminal.until("100 of 100 points")
    terminal.keys("\x03")
    assert terminal.end() == 0


def test_board(clone):
    """At a terminal: colours, the first failure in full, the others in a line; escapes of a server's do nothing."""
    source = solution(STEP).replace('"501 Not Implemented"', '"500 Oh"').replace('"400 Bad Request"', '"402 Oh"')
    source = source.replace(
        "    method, target = parse(head)\n", "    method, target = parse(head)\n    print('[red]\\x1b[2J')\n"
    )
    mine(clone).write_text(source)
    terminal = Terminal(clone, "-m", "grader", "01")
    shown = terminal.until("96 of 100 points")
    assert "\x1b[" in shown and "\x1b[2J" not in shown and "[red]\\x1b[2J" in shown
    assert shown.count("expected") == 1 and shown.index("failed too") < shown.index("expected")
    terminal.until("next: ")
    assert terminal.end() == 1


def test_no_colour(clone):
    """NO_COLOR at a terminal: plain text."""
    terminal = Terminal(clone, "-m", "grader", "01", NO_COLOR="1")
    shown = terminal.until("next: TODO 1")
    assert "\x1b[" not in shown and "to do" in shown
    assert terminal.end() == 1


@pytest.mark.parametrize("step", STEPS)
def test_what_grades_one_alone_does(step):
    """The names that the last line gives to -k select that check and no other."""
    names = re.findall(r"^line\(\"(\w+)\"", (REPOSITORY / "tests" / f"test_{step}.py").read_text("utf-8"), re.M)
    assert names
    result = Result(step, "", [Check(name, name, 1) for name in names])
    for check in result.checks:
        name, *others = advice.alone(result, check).strip("'").split(" and not ")
        chosen = [n for n in names if name in f"test_{n}" and not any(other in f"test_{n}" for other in others)]
        assert chosen == [check.name] and name not in f"test_{step}.py"


@pytest.mark.parametrize("step", STEPS)
def test_every_line_names_its_todo(step):
    """The table has every line of the suite and no other, and what chooses a TODO's lines chooses just those."""
    names = re.findall(r"^line\(\"(\w+)\"", (REPOSITORY / "tests" / f"test_{step}.py").read_text("utf-8"), re.M)
    told = [name for number in todos.LINES[step] for name in todos.lines(step, number)]
    assert set(told) == set(names)
    assert not set(todos.lines(step, todos.NONE)) & {name for name in names if todos.of(step, name)}
    assert todos.todos(step) == sorted(int(number) for _, number in TODO.findall(home.skeleton(step)))
    for number in todos.todos(step):
        assert len(set(todos.lines(step, number))) == len(todos.lines(step, number))
        chosen = [name for name in names if matches(todos.selection(step, number), f"test_{step}.py test_{name}")]
        assert set(chosen) == {todos.GATE, *todos.lines(step, number)}


def matches(expression, name):
    """As pytest's -k."""
    return Expression.compile(expression).evaluate(lambda word, /, **_: word in name)


@pytest.mark.parametrize(("step", "number"), [("01_blocking", 1), ("02_multiprocess", 2), ("05_nonblocking", 3)])
def test_a_stage(tmp_path, step, number):
    """A TODO that is right passes by itself while others are open, and the last line says what is next."""
    source = cut(solution(step), first=number + 1)
    folder = tools.submission(tmp_path / "s", {step: source})
    run = tools.grade(step, "--submission", folder, "--todo", str(number))
    assert run.status == 0, run.out + run.err
    assert f"next: that passes; now TODO {number + 1}: " in run.out
    last = tools.grade(step, "--submission", folder, "-k", "answers").out.splitlines()[-1]
    assert f"`./toxw -e step{step[:2]} -- --submission {folder} --todo {number}` tries" in last


def test_a_stage_that_fails(tmp_path):
    """A wrong TODO loses its lines; what is said of lines is said of the learner's file, and ours are not shown."""
    source = cut(solution(STEP), first=3).replace("while BLANK_LINE not in inbox:", "if BLANK_LINE not in inbox:")
    folder = tools.submission(tmp_path / "s", {STEP: source})
    run = tools.grade("01", "--submission", folder, "--todo", "2", results=tmp_path / "r.json")
    assert run.status == 1 and run.outcomes()["pieces"] == "failed", run.out
    assert "hint -- 01 --todo 2" in run.out.splitlines()[-1]
    assert tools.grade("01", "--submission", folder, "--todo", "3").err.count("TODO 3 is still to be written") == 1
    assert tools.grade("01", "--submission", folder, "--todo", "7").err.count("there is no TODO 7") == 1


@pytest.mark.parametrize("step", STEPS)
def test_a_stage_is_filled_with_ours(step):
    """Whichever TODOs are written, with ours in the place of the others it is the solution."""
    whole = cut(solution(step), first=1 + len(todos.todos(step)))
    for number in todos.todos(step):
        text, back = stage.filled(cut(solution(step), first=number), solution(step))
        assert ast.dump(ast.parse(text)) == ast.dump(ast.parse(whole)) and len(back) == len(text.split("\n"))


def test_lines_of_a_stage():
    """A line number of the text that ran is that of the learner's text; of ours only the place is told."""
    theirs = cut(solution(STEP), first=3)
    text, back = stage.filled(theirs, solution(STEP))
    assert "NotImplementedError" not in text and len(back) == len(text.split("\n"))
    lines, original = text.split("\n"), theirs.split("\n")
    assert all(line == original[number - 1] for line, number in zip(lines, back, strict=True) if number > 0)
    ours = [line.strip() for line, number in zip(lines, back, strict=True) if number < 0]
    view = stage.Stage.__new__(stage.Stage)
    view.back = back
    number = lines.index("    method, target = parse(head)") + 1
    told = view.in_terms_of_theirs(f"asleep; server.py line {number}, in respond: {lines[number - 1].strip()}")
    assert told.endswith(stage.OURS) and not any(line in told for line in ours if len(line) > 9)
    told = view.in_terms_of_theirs(f"it printed a traceback: NameError: x (server.py line {number}, in respond)")
    assert f"(server.py line {abs(back[number - 1])}, in respond)" in told
    trace = f'  File "/x/server.py", line {number}, in respond\n{lines[number - 1]}\n    ^^^\nNameError: x'
    told = view.in_terms_of_theirs(trace)
    assert "parse(head)" not in told and told.endswith("NameError: x")


@pytest.mark.parametrize("step", STEPS)
def test_a_lesson_names_its_stages(step):
    """Each lesson says what tries a TODO by itself, and what plays one check: of names that there are."""
    text = (REPOSITORY / "steps" / step / "README.md").read_text("utf-8")
    todo = text.partition("## To do")[2].partition("\n## ")[0]
    assert f"`./toxw -e step{step[:2]} -- --todo 1`" in todo and f"`./toxw -e step{step[:2]}`" in todo
    every = {name for number in todos.LINES[step] for name in todos.lines(step, number)}
    for part in re.findall(r"-k (\w+)", todo):
        assert any(part in name for name in every), part


def test_no_solution_is_to_be_read_too_early():
    """README.md and the lessons send nobody to our solution of a step that is still to be written."""
    text = (REPOSITORY / "README.md").read_text("utf-8")
    shown = re.findall(r"^    diff .*", text, re.M)
    assert len(shown) == 1 and shown[0].endswith("solutions/01_blocking/server.py steps/02_multiprocess/server.py")
    for step in STEPS:
        lesson = (REPOSITORY / "steps" / step / "README.md").read_text("utf-8")
        for read in re.findall(r"(?:cat|less|diff|vi).* solutions/(\d\d_\w+)", lesson):
            assert read < step


def many_failed(count):
    finding = Finding(
        "200", "the connection was refused", stood=["the server has ended, status 1"], cause="a ValueError"
    )
    other = Finding("404", "client #3 was answered 200", look_at="why?")
    checks = [Check(f"check_{n}", f"Line {n}.", 2, outcome=FAILED, finding=finding) for n in range(count)]
    checks += [Check(f"needs_{n}", "It needs.", 2, outcome=NOT_RUN, reason=f"it needs 'check_{n}'") for n in range(5)]
    return Result(STEP, "steps", checks=[*checks, Check("last", "The last.", 2, outcome=FAILED, finding=other)])


def test_a_run_that_was_ended_tells_no_points():
    """And how far it came is told of what was chosen."""
    checks = [Check("a", "A.", 50, outcome=PASSED, reason=""), Check("b", "B.", 50)]
    checks.append(Check("c", "C.", 0, outcome=NOT_RUN, reason=NOT_SELECTED))
    said = text.summary(Result(STEP, "steps", checks=checks, interrupted=True))
    assert "after 1 of 2 checks" in said and "points are told" in said and "of 100" not in said
    assert not advice.following(Result(STEP, "steps", checks=checks, interrupted=True))


@pytest.mark.parametrize("show", [board.summary, lambda result: print(text.summary(result))])
def test_what_matters_is_on_the_screen(show, capsys, monkeypatch):
    """Of 35 failures with one cause the end tells in fewer lines than a terminal has, the cause last of them."""
    monkeypatch.setenv("COLUMNS", "80")
    show(many_failed(35))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) < 20, lines
    at = [n for n, line in enumerate(lines) if "34 more" in line or "cause" in line or "0 of 100" in line]
    assert len(at) == 3 and "34 more" in lines[at[0]] and "cause" in lines[at[1]], lines
    assert sum("not run" in line for line in lines) == 1 and any("5 checks were not run" in line for line in lines)


def test_a_traceback_takes_little_room():
    """Neither carets nor the folder of a copy; that something is left out is said."""
    trace = 'a\nb\n  File "/tmp/eight-servers-x/1/01_blocking/server.py", line 7, in load\n    f()\n    ^^^\n'
    assert text.last_lines(f"{trace}ValueError: no\n", 4) == [
        "[... 1 line before]",
        "b",
        '  File "server.py", line 7, in load',
        "    f()",
        "ValueError: no",
    ]


def test_a_traceback_ends_in_server_py():
    """What server.py called, and where that failed, is left out: its own line stays, and what was raised."""
    own = 'x\nTraceback (most recent call last):\n  File "/t/01_blocking/server.py", line 7, in load\n    f()\n'
    calls = '  File "/usr/lib/python3.11/os.py", line 9, in f\n    g()\n  File "/usr/lib/a.py", line 1, in g\n    h\n'
    assert text.without_calls(f"{own}{calls}ValueError: no\n") == f"{own}    [...]\nValueError: no\n"
    for printed in (f"{own}ValueError: no\n", f"Traceback (most recent call last):\n{calls}ValueError: no\n", ""):
        assert text.without_calls(printed) == printed


def test_numbers_are_said_right():
    assert [plural(n, "check") for n in (0, 1, 2)] == ["no check", "1 check", "2 checks"]
    assert plural(2, "process") == "2 processes"


def test_tox_says_nothing_after_a_run():
    """What a learner runs is quiet in tox: so the last line is the grader's."""
    text = (REPOSITORY / "tox.ini").read_text("utf-8")
    for head in ("[testenv:{step,solution}0{1,2,3,4,5,6,7,8}]", "[testenv:{progress,watch,compare,hint,reset,run}]"):
        assert f"{head}\nquiet = true\n" in text
