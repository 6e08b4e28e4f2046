"""What the project's tests share: a temporary folder of their own, and the proof that nothing is left there."""

import os
import signal
import tempfile

import pytest
import tools

from grader import start

collect_ignore = ["wrong", "right", "hostile"]

for name in [name for name in os.environ if name.startswith("GITHUB_")]:
    del os.environ[name]  # where a CI runs these tests: the grader's runs in them are no steps of its workflow

start.end_with_parent(signal.SIGINT)

# Started by nohup, or in the background of a shell script, they are ignored, and so by all that the tests start.
for number in (signal.SIGHUP, signal.SIGQUIT):
    signal.signal(number, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """A TMPDIR of the test's own; when it ends, no process and no folder of the grader is left in it."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield folder
    tools.assert_clean(folder)


@pytest.fixture
def grading(tmp_path, temporary):
    """Servers from program texts, as the checks start them; all are ended with the test.

    The value is a function: program text and step -> a `grader.grading.Grading` of it.
    """
    from grader.grading import Grading

    made = []

    def make(source, step="03_multithread"):
        submission = tools.submission(tmp_path / f"submission-{len(made)}", {step: source})
        made.append(Grading(submission, step))
        return made[-1]

    yield make
    for run in made:
        run.close()
    tools.reap()
