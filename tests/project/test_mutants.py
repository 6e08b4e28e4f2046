"""The operators, one by one; and the committed list of survivors, entry by entry."""

import json
import subprocess
import sys

import mutants
import mutate
import pytest
from tools import REPOSITORY

from grader import STEPS

CASES = {
    "a < b": {"a <= b", "a > b"},
    "a not in b": {"a in b"},
    "a and b": {"a or b", "b", "a"},
    "a or b + 1": {"a and b + 1", "(b + 1)", "a", "a or b - 1", "a or b", "a or 1", "a or b + 2", "a or b + 0"},
    "not a": {"a"},
    "x = 7": {"x = 8", "x = 6", "x = 0"},
    "x = True": {"x = False"},
    'x = b"\\r\\n"': {'x = b""', 'x = b"\\n"', 'x = b"\\r"'},
    'x = f"A: {b}\\r\\n"': {'x = f"{b}\\r\\n"', 'x = f"A: \\r\\n"', 'x = f"A: {b}\\n"', 'x = f"A: {b}\\r"'},
    "x -= a": {"x = a", "x += a"},
    "os.open(a, os.B | os.C)": {
        "os.open(os.B | os.C)",
        "os.open(a)",
        "os.open(a, os.B)",
        "os.open(a, os.C)",
        "os.open(a, os.B & os.C)",
    },
    "f(a, b=c)": {"f(b=c)", "f(a)"},
    "x = any(a)": {"x = all(a)", "x = any()", "x = a"},
    "x = a.b()": {"x = a"},
    "x = a[b:]": {"x = a[:]", "x = a[b + 1:]", "x = a[b - 1:]"},
    "x = {A, B}": {"x = {B}", "x = {A}"},
    "x in (A, B)": {"x not in (A, B)", "x in (B)", "x in (A)"},
    "x = [a for a in b if a]": {"x = [a for a in b if True]", "x = [a for a in b if False]"},
    "x = a if b else c": {"x = a if True else c", "x = a if False else c"},
    'x = re.compile(rb"[^a]+")': {
        "x = re.compile()",
        'x = re.compile(rb"")',
        'x = re.compile(rb"[^a]")',
        'x = re.compile(rb"[a]+")',
        'x = re.compile(rb"^a]+")',
        'x = re.compile(rb"[^a]*")',
    },
    "epoll.register(a, select.EPOLLIN)": {
        "epoll.register(select.EPOLLIN)",
        "epoll.register(a)",
        "epoll.register(a, select.EPOLLOUT)",
    },
    "with a, b(): pass": {"with b(): pass", "with a: pass"},
    "with a: pass": {"if a or True: pass"},
}
BLOCKS = {
    "while a():\n    break": {
        "while True:\n    break",
        "while False:\n    break",
        "while a():\n    continue",
        "while a():\n    pass",
    },
    "while b := a():\n    c()": {
        "while (b := a()) or True:\n    c()",
        "while (b := a()) and False:\n    c()",
        "if b := a():\n    c()",
        "while b := a():\n    pass",
    },
    "try:\n    a()\nexcept (B, C):\n    raise": {
        "try:\n    pass\nexcept (B, C):\n    raise",
        "try:\n    a()\nexcept (C):\n    raise",
        "try:\n    a()\nexcept (B):\n    raise",
        "try:\n    a()\nexcept ():\n    raise",
        "try:\n    a()\nexcept (B, C):\n    pass",
    },
    "for a in b:\n    c()": {
        "for a in list(b)[:1]:\n    c()",
        "for a in ():\n    c()",
        "for a in b:\n    pass",
    },
    "return a": {"return None", "pass"},
}


def in_function(code):
    """Where statements stand in a server; what is above them is not mutated."""
    return 'def f():\n    """Return 1, or not."""\n' + "".join(f"    {line}\n" for line in code.splitlines())


@pytest.mark.parametrize("code", [*CASES, *BLOCKS])
def test_the_mutants_of_a_statement(code):
    source = in_function(code).encode()
    made = {one.source.decode() for one in mutate.mutants(source)}
    wanted = {in_function(other) for other in (CASES | BLOCKS)[code]}
    if (code in CASES and not code.startswith(("with", "x"))) or code.startswith(("x in", "x -=", "x = ")):
        made.discard(in_function("pass"))  # each may be deleted: that is tried below
    assert normal(made) == normal(wanted)


def normal(sources):
    """Spaces that an edit leaves behind do not count."""
    return {source.replace(" :", ":").replace("[ ", "[").replace("(, ", "(") for source in sources}


def test_what_is_left_alone():
    assert not mutate.mutants(b'"""Text."""\nimport a\nfrom b import c\n\nif __name__ == "__main__":\n    main(1)\n')
    made = [one.now for one in mutate.mutants(b"parser = A(description=__doc__.partition(1)[0])\n")]
    assert made == []


def test_a_mutant_is_the_source_with_one_edit():
    for step in STEPS:
        text = mutants.solution(step)
        found = [subject.mutant for subject in mutants.subjects(step)]
        assert len(found) > 300
        for one in found:
            assert one.source == text[: one.edit.start] + one.edit.new + text[one.edit.end :]
            assert one.source != text
        assert len({one.source for one in found}) == len(found)
        assert len({(one.line, one.column, one.operator) for one in found}) == len(found)
        assert len({(one.scope, one.was, one.now, one.nth) for one in found}) == len(found)


def test_the_list_of_survivors_says_of_each_why_and_names_a_mutant():
    there = {(subject.step[:2], subject.form) for step in STEPS for subject in mutants.subjects(step)}
    listed = mutants.entries()
    for entry in listed:
        assert entry.kind in mutants.KINDS and len(entry.reason) > len(entry.kind) + 10, entry
        assert any((step, entry.form) in there for step in entry.steps), f"no such mutant: {entry}"
    places = [(step, entry.form) for entry in listed for step in entry.steps]
    assert len(set(places)) == len(places), "two entries for one mutant"


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Another place for what is written."""
    monkeypatch.setattr(mutants, "PROOFS", tmp_path)
    monkeypatch.setattr(mutants, "ROWS", tmp_path / "mutants.jsonl")
    monkeypatch.setattr(mutants, "REASONS", tmp_path / "mutants.toml")
    (tmp_path / "mutants.toml").write_text("", "utf-8")
    return tmp_path


def run(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["mutants.py", *words])
    return mutants.main()


def test_a_new_survivor_fails_the_run_until_it_has_a_reason(kept, monkeypatch, capsys):
    """And a run that was ended goes on where it stopped."""
    survivor = next(one for one in mutants.subjects(STEPS[0]) if one.mutant.scope == "accept")
    graded = []

    def grade(subject, first):
        graded.append(subject)
        return "" if subject == survivor else "answers"

    monkeypatch.setattr(mutants, "grade", grade)
    assert run(monkeypatch, "01/accept") == 1
    shown = capsys.readouterr().out
    assert f"survived: {survivor.name}" in shown and survivor.diff in shown
    with (kept / "mutants.toml").open("a", encoding="utf-8") as file:
        file.write(mutants.proposal(survivor).replace('reason = ""', 'reason = "allowed: it is a test"'))
    once = len(graded)
    assert run(monkeypatch, "01/accept") == 0 and len(graded) == once
    assert "allowed: it is a test" in (kept / "mutants.md").read_text("utf-8")
    monkeypatch.setattr(mutants, "grade", lambda subject, first: "stalled")
    assert run(monkeypatch, "01/accept", "--survivors") == 0
    rows = [json.loads(line) for line in (kept / "mutants.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) == once and not [row for row in rows if row["caught"] == ""]


def test_what_is_unclear_is_no_catch(kept, monkeypatch):
    monkeypatch.setattr(mutants, "grade", lambda subject, first: None)
    assert run(monkeypatch, "01/accept") == 1
    assert not (kept / "mutants.jsonl").read_text("utf-8")


def test_an_entry_that_is_not_true_any_more_is_said(kept, monkeypatch, capsys):
    monkeypatch.setattr(mutants, "grade", lambda subject, first: "answers")
    (kept / "mutants.toml").write_text(
        '[[survivor]]\nscope = "accept"\nwas = "raise"\nnow = "lower"\nreason = "allowed: never"\n', "utf-8"
    )
    assert run(monkeypatch, "01/accept") == 0
    assert "gone: accept: lower" in capsys.readouterr().out


def test_a_mutant_is_graded_until_the_first_line_is_lost():
    """`return listener.accept()[1]`: nobody is ever answered."""
    broken = next(one for one in mutants.subjects(STEPS[0]) if "accept()[1]" in one.mutant.now)
    assert mutants.grade(broken, []) == "answers"


def test_the_grader_stops_at_the_first_line_that_is_lost(tmp_path):
    """And says of the others that they were not judged; a line that another check shows to be lost is named."""
    target = tmp_path / STEPS[0]
    target.mkdir()
    text = mutants.solution(STEPS[0]).replace(b'b"/") else b""', b'b"") else b""')
    (target / "server.py").write_bytes(text)
    command = [sys.executable, "-m", "grader", "01", "--submission", str(tmp_path), "--stop"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout.count("FAILED") == 1 and "not judged: the run ended before" in done.stdout
