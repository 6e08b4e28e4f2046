"""The shell lines in the docstrings of the solutions, and in the lessons, do what they show."""

import ast
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap

import pytest
import tools
from tools import REPOSITORY, STEPS

PORT = 7890  # as they are written; each run takes a free one
NEEDED = ("bash", "curl")
pytestmark = pytest.mark.timeout(30)


def from_docstring(step):
    return ast.get_docstring(ast.parse(tools.solution(step)), clean=False)


def from_lesson(step):
    return (REPOSITORY / "steps" / step / "README.md").read_text(encoding="utf-8")


def commands(text):
    """The shell lines of the first indented block that has any: pairs of a command and what one sees."""
    for block in re.findall(r"(?:^    \S.*\n?)+", text, re.MULTILINE):
        lines = textwrap.dedent(block).splitlines()
        if lines[0].startswith("$ "):
            found = []
            for line in lines:
                if line.startswith("$ "):
                    found.append((line[2:], []))
                else:
                    found[-1][1].append(line)
            return found
    return []


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Shell:
    """A bash of its own, one command at a time; after each it says that it is done."""

    def __init__(self, folder):
        (folder / "bin").mkdir()
        (folder / "bin" / "python").symlink_to(sys.executable)
        for name in ("solutions", "steps", "html"):
            shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        path = f"{os.path.dirname(sys.executable)}:{folder / 'bin'}:{os.environ.get('PATH', os.defpath)}"
        self.bash = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            cwd=folder,
            env={"PATH": path, "HOME": str(folder), "TMPDIR": str(folder), "LC_ALL": "C"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )
        self.count = 0

    def run(self, command):
        """The lines that a command prints; of one that ends in `&`, the first."""
        self.bash.stdin.write(f"{command}\n")
        if command.endswith("&"):
            self.bash.stdin.flush()
            return [self.bash.stdout.readline().rstrip("\n")]
        self.count += 1
        self.bash.stdin.write(f"echo; echo done-{self.count}\n")
        self.bash.stdin.flush()
        lines = []
        while (line := self.bash.stdout.readline()) and line != f"done-{self.count}\n":
            lines.append(line.rstrip("\n"))
        assert line, "bash has ended"
        return [line for line in lines if line]

    def close(self):
        os.killpg(self.bash.pid, signal.SIGKILL)
        self.bash.communicate()


@pytest.fixture
def shell(tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()
    made = Shell(folder)
    yield made
    made.close()
    tools.assert_no_process(tmp_path)


def shown(lines):
    """What is printed, without what differs from one machine to the next: the time that a refusal took."""
    return [re.sub(r"\b\d+ (ms|milliseconds)\b", r"N \1", line) for line in lines]


@pytest.mark.skipif(not all(map(shutil.which, NEEDED)), reason=f"this needs {' and '.join(NEEDED)}")
@pytest.mark.parametrize("source", [from_docstring, from_lesson], ids=["docstring", "lesson"])
@pytest.mark.parametrize("step", STEPS)
def test_shell_lines(shell, step, source):
    """Each line prints what stands below it; of a traceback, that it ends so."""
    if step == "03_multithread" and not shutil.which("pgrep"):
        pytest.skip("this needs pgrep")
    pairs = commands(source(step))
    assert pairs, "no shell lines"
    port = str(free_port())
    for command, expected in pairs:
        wanted = shown(line.replace(str(PORT), port) for line in expected)
        seen = shown(shell.run(command.replace(str(PORT), port)))
        if seen and seen[0].startswith("Traceback "):
            seen = seen[-len(wanted) :]
        assert seen == wanted, command


@pytest.mark.parametrize("step", STEPS)
def test_lesson_and_docstring_show_the_same(step):
    """The docstring of a solution shows the lines that its lesson shows."""
    docstring, lesson = commands(from_docstring(step)), commands(from_lesson(step))
    shorter, longer = sorted((docstring, lesson), key=len)
    assert shorter and [pair for pair in shorter if pair not in longer] == []


def test_shell_lines_are_read_right():
    """A block of shell lines ends where its indentation does; what is no shell line is what one sees."""
    text = "See:\n\n    $ one\n    seen\n    $ two &\n\n    other\n"
    assert commands(text) == [("one", ["seen"]), ("two &", [])]
    assert commands("    no shell\n") == []
