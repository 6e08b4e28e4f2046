"""Requests that are made up: the same for the same seed, and the smallest that fails is told."""

import os
import subprocess
import sys
from types import SimpleNamespace

import corpus
import pytest
import tools
from hypothesis import strategies as st

from grader import contract
from grader.contract import Violation
from grader.finding import Finding
from tests.checks import generated

KINDS = (generated.conversations, generated.names, generated.sizes, generated.long_heads)


class Stage:
    """In a server's place: it keeps what it is played. `broken`: example -> whether it breaks a rule."""

    def __init__(self, broken=lambda example: False, seed=8, examples=30):
        self.grading = SimpleNamespace(seed=seed, examples=examples, start=lambda: Stage(broken))
        self.root = SimpleNamespace(add_named=lambda name, target: None, sized=lambda size: f"/of-{size}")
        self.long, self.spoiled, self.notes, self.clients = True, False, [], [None]
        self.broken, self.played = broken, []

    def gone(self):
        return False

    def close_clients(self):
        pass

    def begin_story(self):
        pass

    def fail(self, expected, saw, *, clients, broken, look_at):
        raise Finding(expected, saw, costs=broken.line, rule=broken.rule)


def play(stage, example):
    stage.played.append(example)
    if stage.broken(example):
        raise generated.Broken(Violation("size", "contents", f"{example} bytes", "none"))


@pytest.fixture
def made(monkeypatch):
    """A kind, a seed and a number of examples -> all that would be sent, in order."""

    def make(kind, **more):
        stage = Stage(**more)
        monkeypatch.setattr(generated, "converse", lambda stage, *example: stage.played.append(example))
        kind(stage)
        return stage.played

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_makes_the_same_examples(made, kind):
    """Each time, in the same order; another seed makes others."""
    first = made(kind)
    assert first == made(kind) and 0 < len(first) <= (90 if kind is generated.names else 30)
    assert first != made(kind, seed=9)


EVERYTHING = """
import hashlib, importlib, pkgutil, sys
import test_generated
from tests.checks import generated
if "all" in sys.argv:
    import grader
    for module in pkgutil.walk_packages(grader.__path__, "grader."):
        if "__main__" not in module.name and "sitecustomize" not in module.name:
            importlib.import_module(module.name)
generated.converse = lambda stage, *example: stage.played.append(example)
for kind in test_generated.KINDS:
    stage = test_generated.Stage(examples=100)
    kind(stage)
    print(hashlib.sha256(repr(stage.played).encode()).hexdigest())
"""


def test_what_else_is_loaded_changes_no_example():
    """Reports, the learner's tools, a line that we write: none is asked for its constants."""
    given = {**os.environ, "PYTHONPATH": f"{tools.REPOSITORY}:{tools.HERE}", "PYTHONHASHSEED": "random"}
    commands = [[sys.executable, "-c", EVERYTHING, *words] for words in ([], ["all"])]
    few, many = (subprocess.run(each, env=given, capture_output=True, text=True, check=True) for each in commands)
    assert few.stdout == many.stdout and len(few.stdout.split()) == len(KINDS)


def test_there_are_as_many_as_asked_for(made):
    assert len(made(generated.conversations, examples=5)) <= 5 < len(made(generated.conversations, examples=60))


def test_all_that_is_sent_is_what_the_contract_knows(made):
    """Every head parses, none is longer than all heads that are served, and what is cut is sent whole."""
    for kind in KINDS:
        for pieces, *_ in made(kind, examples=100):
            requests, rest = contract.cut(b"".join(pieces))
            assert requests and not rest and all(pieces)
            for request in requests:
                assert request.version in ("1.0", "1.1") and request.legal and not request.free, request
                assert len(request.head) + 4 <= contract.HEAD


def test_the_smallest_that_fails_is_told():
    """Of all that fail it is the smallest; it is played once more, last, at the cost of the line it breaks."""
    stage = Stage(lambda size: size >= 1000)
    with pytest.raises(Finding) as found:
        generated.smallest(stage, st.integers(0, 1 << 20), play)
    assert found.value.expected == "1000 bytes" and found.value.costs == "contents"
    assert stage.played[-1] == 1000


def test_what_does_not_fail_again_is_not_counted():
    """One that fails once is a note, and no finding."""
    failed = []

    def once(size):
        return size >= 1000 and not failed and not failed.append(size)

    stage = Stage(once)
    generated.smallest(stage, st.integers(0, 1 << 20), play)
    assert len(failed) == 1 and len(stage.notes) == 1 and "did not fail again" in stage.notes[0]


def test_nothing_is_told_of_what_is_right():
    stage = Stage()
    generated.smallest(stage, st.integers(0, 1 << 20), play)
    assert len(stage.played) == 30 and stage.notes == []


# A server of the corpus


@pytest.mark.parametrize(
    ("name", "smallest"),
    [("wrong/08_epoll_keepalive/name_on_one_line", "/%0a")],
)
def test_a_name_that_nobody_has_thought_of(grading, name, smallest):
    """One is made up that is not served, the same each time, and it is as short as can be."""
    (entry,) = [entry for entry in corpus.entries() if entry.name == name]
    run = grading(entry.source, entry.step)
    run.verdicts.line, run.verdicts.lines = "names", frozenset(("answers", "names", "contents"))
    server = run.start()
    found = []
    for _ in range(2):
        with pytest.raises(Finding) as told:
            generated.names(server)
        found.append(told.value)
        server.close_clients()
        server = run.start()
    assert found[0].did == found[1].did and found[0].costs in ("", "names")
    (did,) = found[0].did
    target = did.split()[2]
    assert target.lower() == smallest, did
    assert "200" in found[0].expected and "404" in found[0].saw
