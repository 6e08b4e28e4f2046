"""A sample of the corpus: right servers get 100 points, wrong ones lose those of a check that names them.

The whole corpus against every check takes many minutes and has a command of its own; here are a few of each
step, always the same ones for the same corpus.
"""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import corpus
import pytest
import tools
from tools import STEPS

RIGHT, WRONG = 2, 4


def sample(kind, step, count):
    """So many servers of a step, by the digest of their names: spread, and the same on every machine."""
    found = corpus.entries(kind, step)
    return sorted(found, key=lambda entry: hashlib.sha256(entry.name.encode()).digest())[:count]


def options(kind, entry):
    """A right server is graded whole; of a wrong one only what its notes name."""
    return () if kind == "right" else ("-k", " or ".join(["answers", *entry.caught_by]))


@pytest.fixture(scope="module")
def graded(request, tmp_path_factory):
    """(kind, step, number) -> the server and its grading, which goes on in the background, two at a time."""
    workers = ThreadPoolExecutor(2)

    def grade(kind, step, number):
        entry = sample(kind, step, number + 1)[number]
        folder = tmp_path_factory.mktemp("graded")
        (folder / "tmp").mkdir()
        given = (step, "--submission", entry.submit(folder / "submission"), *options(kind, entry))
        run = tools.grade(*given, results=folder / "r.json", TMPDIR=str(folder / "tmp"))
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
