"""The repository keeps its own rules: rubric, corpus, solutions, skeletons, links."""

import ast
import io
import os
import re
import socket
import subprocess
import sys
import tokenize
from pathlib import Path

import corpus
import pytest
import rubric
import skeletons
import tools
from tools import REPOSITORY, STEPS

RUBRIC = rubric.rubric()
MOST_LINES = 150
MARKS = re.compile(r"^ *# (?:TODO \d+: .*|BEGIN SOLUTION|END SOLUTION)\n", re.MULTILINE)

#: (earlier step, later step) -> what the later one teaches: its new functions, those that it changes,
#: and those that it drops. All the others are the same, byte for byte.
LESSONS = {
    ("01_blocking", "02_multiprocess"): ({"serve_child", "reap", "stop"}, {"serve_forever"}, set()),
    ("02_multiprocess", "03_multithread"): (set(), {"serve_forever"}, {"serve_child", "reap", "stop"}),
    ("03_multithread", "04_gevent"): (set(), {"serve_forever"}, set()),
    ("04_gevent", "05_nonblocking"): (
        {f"Connection.{name}" for name in ("__init__", "advance", "receive", "answer", "send", "close")},
        {"accept", "serve_forever"},
        {"read_head", "serve_client"},
    ),
    ("05_nonblocking", "06_keepalive"): (
        {"is_last"},
        {"respond", "Connection.__init__", "Connection.answer", "Connection.send"},
        set(),
    ),
    ("05_nonblocking", "07_epoll"): (set(), {"serve_forever"}, set()),
    ("06_keepalive", "08_epoll_keepalive"): (set(), {"serve_forever", "main"}, set()),
    ("07_epoll", "08_epoll_keepalive"): (
        {"is_last"},
        {"respond", "Connection.__init__", "Connection.answer", "Connection.send", "main"},
        set(),
    ),
}


def by_step(test):
    return pytest.mark.parametrize("step", STEPS)(test)


def functions(text):
    """The source of every function and method of a program, without the marks of the skeleton maker."""
    text = MARKS.sub("", text)
    found = {}

    def collect(node, prefix):
        for child in node.body:
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                found[prefix + child.name] = ast.get_source_segment(text, child)
            elif isinstance(child, ast.ClassDef):
                collect(child, f"{prefix}{child.name}.")

    collect(ast.parse(text), "")
    return found


def lines_of_code(text):
    """How many lines hold code: no blank ones, no comments, no docstrings."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            docstrings.update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    nothing = (
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    )
    code = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in nothing:
            code.update(range(token.start[0], token.end[0] + 1))
    return len(code - docstrings)


def files_of_the_repository():
    """Every file that git holds or would take; without git, every file but the caches."""
    git = ["git", "-C", str(REPOSITORY), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(git, capture_output=True, text=True)
    if done.returncode == 0:
        names = done.stdout.split("\0")
    else:
        names = [str(path.relative_to(REPOSITORY)) for path in REPOSITORY.rglob("*")]
        names = [name for name in names if not re.search(r"(^|/)\.(git|tox|venv|\w+_cache)/|__pycache__", name)]
    return [REPOSITORY / name for name in names if name and (REPOSITORY / name).is_file()]


PAGES = [path for path in files_of_the_repository() if path.suffix == ".md"]


# The rubric


@by_step
def test_points_sum_to_100(step):
    """The points of a step are 100."""
    assert sum(line.points for line in RUBRIC[step] if line.points != "stretch") == 100


@by_step
def test_every_check_has_a_line_and_a_worth(step):
    """Every check has a docstring of one sentence, and either points or the mark `stretch`, not both."""
    for check in rubric.checks(rubric.suites()[step]):
        marks = {mark.name for mark in getattr(check, "pytestmark", [])}
        assert len(marks & {"points", "stretch"}) == 1, check.__name__
        assert re.fullmatch(r"[^\n]+\.", (check.__doc__ or "").strip()), check.__name__
        line = rubric.line(check)
        assert line.points == "stretch" or line.points > 0, check.__name__


@by_step
def test_rubric_lines_are_told_apart(step):
    """No two checks of a step have the same line: Gradescope shows nothing else of them."""
    lines = [line.what for line in RUBRIC[step]]
    assert sorted(lines) == sorted(set(lines))


def test_every_step_has_a_suite():
    """There is a suite, a solution, a skeleton and a lesson for each step that the grader knows."""
    import grader

    assert tuple(RUBRIC) == STEPS == grader.STEPS
    for step in STEPS:
        assert (REPOSITORY / "steps" / step / "server.py").is_file()
        assert (REPOSITORY / "steps" / step / "README.md").is_file()


@pytest.mark.skipif(not rubric.GRADING.exists(), reason="GRADING.md is not written yet")
def test_grading_page_has_the_rubric():
    """The rubric in GRADING.md is what the marks and docstrings of the checks say."""
    text = rubric.GRADING.read_text(encoding="utf-8")
    found = rubric.read(text)
    for step in STEPS:
        assert found.get(step) == RUBRIC[step], "python tests/project/rubric.py mends it"
    assert text == rubric.renewed(text), "python tests/project/rubric.py mends it"


def test_rubric_writes_what_it_reads(tmp_path):
    """The rubric command replaces what stands between its marks, keeps the rest, and reads back the same."""
    page = f"# Grading\n\nbefore\n\n{rubric.BEGIN}\n| old | 1 | table |\n{rubric.END}\n\nafter\n"
    written = rubric.renewed(page)
    assert written.startswith("# Grading\n\nbefore\n") and written.endswith("\n\nafter\n")
    assert "| old |" not in written and rubric.read(written) == RUBRIC
    assert rubric.renewed(written) == written
    with pytest.raises(ValueError, match="one line"):
        rubric.renewed("no marks here")


# The corpus


def faults(entry):
    """What is wrong with the form of a server of the corpus."""
    try:
        ast.parse(entry.source)
    except (corpus.BadPatch, SyntaxError) as error:
        return [f"{entry.name}: {error}"]
    if entry.kind == "right":
        sound = entry.path.suffix == ".py" and entry.note("Unusual") and entry.note("A hasty grader")
        return [] if sound else [f"{entry.name}: a right server is a .py with Unusual: and A hasty grader:"]
    if entry.note("Needs") not in ("", corpus.ORDINARY):
        return [f"{entry.name}: nobody knows what {entry.note('Needs')!r} is"]
    known = {line.check for line in RUBRIC[entry.step]}
    found = [f"{entry.name}: there is no check {name!r}" for name in entry.caught_by if name not in known]
    if not (entry.note("Breaks") and entry.caught_by):
        found.append(f"{entry.name}: a wrong server has Breaks: and Caught by:")
    if entry.source == tools.solution(entry.step):
        found.append(f"{entry.name}: it is the solution")
    return found


@by_step
@pytest.mark.parametrize("kind", ["wrong", "right"])
def test_corpus_is_sound(kind, step):
    """Patches apply exactly, servers parse, the notes are there, and the checks that they name exist."""
    found = corpus.entries(kind, step)
    assert [fault for entry in found for fault in faults(entry)] == []


@by_step
def test_no_check_is_idle(step):
    """Every check has at least one wrong server that names it."""
    named = {check for entry in corpus.entries("wrong", step) for check in entry.caught_by}
    assert [line.check for line in RUBRIC[step] if line.check not in named] == []


@by_step
def test_right_servers_enough(step):
    """Each step has at least three right servers in other people's styles."""
    assert len(corpus.entries("right", step)) >= 3


def test_no_two_wrong_servers_are_the_same():
    """No server of a step stands twice in the corpus."""
    seen = {}
    for entry in corpus.entries():
        other = seen.setdefault((entry.step, entry.source), entry.name)
        assert other == entry.name, f"{entry.name} is {other}"


def test_a_patch_that_does_not_fit_is_refused():
    """A patch whose context differs by one character is refused, and so is one that changes nothing."""
    patch = "Breaks: x\n\n--- server.py\n+++ server.py\n@@ -1,2 +1,2 @@\n one\n-two\n+three\n"
    assert corpus.apply(patch, "one\ntwo\n", "it") == "one\nthree\n"
    for text in ("one\ntwo \n", "one\n", "zero\none\ntwo\n"):
        with pytest.raises(corpus.BadPatch):
            corpus.apply(patch, text, "it")
    with pytest.raises(corpus.BadPatch, match="changes nothing"):
        corpus.apply("Breaks: x\n\n--- server.py\n+++ server.py\n", "one\n", "it")


# The solutions


@pytest.mark.parametrize(("earlier", "later"), LESSONS)
def test_a_lesson_changes_nothing_else(earlier, later):
    """A function that a step does not teach is byte-identical to the step before, without the marks."""
    before, after = functions(tools.solution(earlier)), functions(tools.solution(later))
    new, changed, dropped = LESSONS[earlier, later]
    assert after.keys() - before.keys() == new
    assert before.keys() - after.keys() == dropped
    assert {name for name in before.keys() & after.keys() if before[name] != after[name]} == changed


@by_step
def test_solutions_are_short(step):
    """A solution has fewer than 150 lines of code."""
    assert lines_of_code(tools.solution(step)) < MOST_LINES


def test_lines_of_code_are_counted_right():
    """Docstrings, comments and blank lines are no code; a string of two lines that is code counts twice."""
    text = '"""Doc.\n\nMore.\n"""\n# comment\n\nx = """a\nb"""  # both\n\n\ndef f():\n    "doc"\n    return x\n'
    assert lines_of_code(text) == 4


@by_step
def test_solutions_stand_alone(step):
    """A solution imports the standard library (and gevent in step 4), and nothing of ours."""
    names = set()
    for node in ast.walk(ast.parse(tools.solution(step))):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or ".").split(".")[0])
    allowed = set(sys.stdlib_module_names) | ({"gevent"} if step == "04_gevent" else set())
    assert names <= allowed


# The skeletons


@by_step
def test_skeleton_is_what_the_maker_makes(step):
    """A skeleton is its solution with the marked blocks cut out."""
    path = REPOSITORY / "steps" / step / "server.py"
    wanted = skeletons.skeletons(REPOSITORY)[path]
    assert path.read_text(encoding="utf-8") == wanted, "python tests/project/skeletons.py mends it"


@by_step
def test_skeleton_has_two_to_six_tasks(step):
    """A skeleton parses, and has 2 to 6 TODOs, numbered from 1, each of which raises its own sentence."""
    text = (REPOSITORY / "steps" / step / "server.py").read_text(encoding="utf-8")
    ast.parse(text)
    said = re.findall(r"# (TODO \d+: .+)", text)
    raised = re.findall(r'raise NotImplementedError\("(TODO \d+: .+)"\)', text)
    assert said == raised
    assert sorted(int(task.split()[1].rstrip(":")) for task in said) == list(range(1, len(said) + 1))
    assert 2 <= len(said) <= 6


def tasks():
    """(step, number) of every TODO."""
    return [(step, int(number)) for step in STEPS for number in re.findall(r"# TODO (\d+):", tools.solution(step))]


#: The parent gets there without a word of its client; a child that has served one would race it, by SIGCHLD.
SILENT = ("02_multiprocess", 2)
#: The first round gets there without any client. One that connects before that round is accepted in it, and the run
#: gets to TODO 3: the server says its address before it asks whether anybody is there.
WITHOUT_CLIENT = ("05_nonblocking", 2)


@pytest.mark.parametrize(("step", "number"), sorted(tasks()))
def test_a_run_gets_to_the_todos_in_order(tmp_path, step, number):
    """A skeleton whose TODOs before a number are filled, run and asked for a page, says that TODO and none before."""
    script = tools.submission(tmp_path, {step: skeletons.cut(tools.solution(step), number)}) / step / "server.py"
    (tmp_path / "index.html").write_text("a page", encoding="utf-8")
    server = subprocess.Popen(
        [sys.executable, script, "--port", "0", "--root", tmp_path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    said = ""

    def listen():
        nonlocal said
        while "NotImplementedError: TODO" not in said and (line := server.stderr.readline()):
            said += line

    try:
        address = re.match(r"http://([\d.]+):(\d+)/", server.stdout.readline())
        if address and (step, number) != WITHOUT_CLIENT:
            try:
                with socket.create_connection((address[1], int(address[2])), timeout=tools.PATIENT) as client:
                    if (step, number) != SILENT:
                        client.sendall(b"GET / HTTP/1.1\r\nHost: kata.test\r\n\r\n")
                    listen()
            except OSError:
                pass  # it had ended before, or ends now: what it says is what counts
        listen()
    finally:
        server.kill()
        said += server.communicate()[1]
    found = [int(n) for n in re.findall(r"^NotImplementedError: TODO (\d+): .+", said, re.MULTILINE)]
    assert found and min(found) == number, said


def test_maker_refuses_bad_marks():
    """Marks that do not pair up, or are not numbered from 1, are refused."""
    block = "# TODO {}: do it.\n# BEGIN SOLUTION\nx = 1\n# END SOLUTION\n"
    assert skeletons.cut(block.format(1)) == '# TODO 1: do it.\nraise NotImplementedError("TODO 1: do it.")\n'
    bad = ["x = 1\n", block.format(2), block.format(1) * 2, block.format(1) + "# END SOLUTION\n"]
    for text in bad:
        with pytest.raises(skeletons.BadMarksError):
            skeletons.cut(text)


# The pages


def links(text):
    """The targets of the links of a Markdown page, without its code."""
    text = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^(?: {4}|\t).*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"`[^`\n]+`", "`", text)
    found = re.findall(r"\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)", text)
    found += re.findall(r"^\[[^\]]+\]:\s*<?(\S+?)>?\s*$", text, re.MULTILINE)
    found += re.findall(r"<(?:img|a|source)\b[^>]*?\b(?:src|href|srcset)=\"([^\"]+)\"", text)
    return found


def anchors(text):
    """The anchors that GitHub gives to the headings of a page."""
    found = set()
    for heading in re.findall(r"^#+ +(.+?) *#*$", text, re.MULTILINE):
        words = re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", heading).lower())
        found.add(words.strip().replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_lead_somewhere(page):
    """Every relative link leads to a file of the repository, and its anchor to a heading there."""
    for link in links(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z][a-z0-9+.-]*:|//", link):
            continue
        name, _, anchor = link.partition("#")
        base = REPOSITORY / name.lstrip("/") if name.startswith("/") else page.parent / name
        target = Path(os.path.normpath(base)) if name else page
        assert target.is_relative_to(REPOSITORY), link
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target.read_text(encoding="utf-8")), link


@pytest.mark.skipif(not (REPOSITORY / "README.md").exists(), reason="README.md is not written yet")
def test_reading_order():
    """README.md names the eight lessons in their order."""
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    places = []
    for step in STEPS:
        found = [link for link in links(text) if re.fullmatch(rf"(\./)?steps/{step}(/|/README\.md)?", link)]
        assert found, f"no link to the lesson of {step}"
        places.append(text.index(f"({found[0]}"))
    assert places == sorted(places)


@by_step
def test_lessons_lead_on(step):
    """Each lesson but the last links to the next."""
    at = STEPS.index(step)
    if at + 1 < len(STEPS):
        text = (REPOSITORY / "steps" / step / "README.md").read_text(encoding="utf-8")
        assert f"../{STEPS[at + 1]}/README.md" in links(text)


def test_no_path_of_a_machine():
    """No file names an absolute path of a developer's machine."""
    patterns = [rb"/(?:home|Users)/(?!runner/)[A-Za-z]", rb"[A-Z]:\\+Users\\", rb"\bfile:///[a-z]"]
    for place in {REPOSITORY, Path.home(), Path(sys.prefix)}:
        if len(place.parts) > 2:
            patterns.append(re.escape(str(place).encode()) + rb"\b")
    for path in files_of_the_repository():
        data = path.read_bytes()
        if b"\0" not in data[:8192]:
            for pattern in patterns:
                found = re.search(pattern, data)
                assert not found, f"{path.relative_to(REPOSITORY)}: {found[0]!r}"


def test_paths_in_tox_are_quoted():
    """A clone may lie in a folder whose name has spaces: tox splits commands as a shell does."""
    text = (REPOSITORY / "tox.ini").read_text(encoding="utf-8")
    assert re.findall(r'--\w+ "\{work_dir\}', text) and not re.search(r"--\w+ \{work_dir\}", text)
