"""A sample of the corpus: right servers get 100 points, wrong ones lose those of a check that names them.

And the last TODOs of each step left undone, one at a time: that costs points, or it is said beside them.

The whole corpus against every check takes many minutes and has a command of its own; here are a few of each
step, always the same ones for the same corpus.
"""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import corpus
import pytest
import tools
from tools import STEPS

from grader.learn.skeleton import BLOCK

RIGHT, WRONG, UNDONE = 1, 2, 2


def sample(kind, step, count):
    """So many servers of a step, by the digest of their names: spread, and the same on every machine."""
    found = [entry for entry in corpus.entries(kind, step) if not entry.lacks and not entry.note("Slow")]
    return sorted(found, key=lambda entry: hashlib.sha256(entry.name.encode()).digest())[:count]


def options(kind, entry):
    """A right server is graded whole; of a wrong one only what its notes name."""
    return () if kind == "right" else ("-k", " or ".join(["answers", *entry.caught_by]))


def undone(step, number):
    """A solution in which nothing is done for one TODO."""

    def block(found):
        return f"{found['indent']}pass\n" if int(found["number"]) == number else found["solution"]

    return BLOCK.sub(block, tools.solution(step))


@pytest.fixture(scope="module")
def graded(request, tmp_path_factory):
    """(kind, step, number) -> the server and its grading, which goes on in the background, two at a time."""
    workers = ThreadPoolExecutor(2)

    def grade(kind, step, number):
        folder = tmp_path_factory.mktemp("graded")
        (folder / "tmp").mkdir()
        if kind == "undone":
            entry, more = None, ("--stop",)  # the first line lost is enough
            submitted = tools.submission(folder / "submission", {step: undone(step, number)})
        else:
            entry = sample(kind, step, number + 1)[number]
            submitted, more = entry.submit(folder / "submission"), options(kind, entry)
        given = (step, "--submission", submitted, *more)
        run = tools.grade(*given, results=folder / "r.json", limit=390, TMPDIR=str(folder / "tmp"))
        tools.assert_clean(folder / "tmp")
        return entry, run

    wanted = [item.callspec.params for item in request.session.items if item.module is request.module]
    keys = [(each["kind"], each["step"], each["number"]) for each in wanted]
    yield {key: workers.submit(grade, *key) for key in keys}
    workers.shutdown(cancel_futures=True)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(("kind", "number"), [("right", number) for number in range(RIGHT)])
def test_right_servers(graded, kind, step, number):
    """A right server in another style earns all points."""
    entry, run = graded[kind, step, number].result()
    lost = {name: outcome for name, outcome in run.outcomes().items() if outcome != "passed"}
    assert run.status == 0 and run.results["score"] == 100, f"{entry.name}: {lost}\n{run.out}"


@pytest.mark.timeout(400)
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(("kind", "number"), [("wrong", number) for number in range(WRONG)])
def test_wrong_servers(graded, kind, step, number):
    """A wrong server fails one of the checks that its notes name, and the grader says why."""
    entry, run = graded[kind, step, number].result()
    outcomes = run.outcomes()
    failed = [name for name in entry.caught_by if outcomes[name] == "failed"]
    assert failed, f"{entry.name}: {[outcomes[name] for name in entry.caught_by]}\n{run.out}"
    assert run.status == 1 and "not judged" not in outcomes.values(), run.out
    for test in run.results["tests"]:
        if test["extra_data"]["check"] in failed:
            assert "expected" in test["output"] and "saw" in test["output"], test["output"]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("kind", ["undone"])
@pytest.mark.parametrize(
    ("step", "number"),
    [(step, int(found["number"])) for step in STEPS for found in list(BLOCK.finditer(tools.solution(step)))[-UNDONE:]],
)
def test_undone_tasks(graded, kind, step, number):
    """A TODO for which nothing is done costs points, or a note says beside them what it costs."""
    _, run = graded[kind, step, number].result()
    assert run.results["score"] < 100 or "note: " in run.out, run.out
