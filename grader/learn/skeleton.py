"""A solution without what the learner is to write."""

import re
import subprocess
from pathlib import Path

BLOCK = re.compile(
    r'^(?P<indent> *)# (?P<todo>TODO (?P<number>\d+): [^\n"\\]+)\n'
    r"(?P=indent)# BEGIN SOLUTION\n"
    r"(?P<solution>.+?)"
    r"^(?P=indent)# END SOLUTION\n",
    re.MULTILINE | re.DOTALL,
)
MARK = re.compile(r"# (TODO \d|BEGIN SOLUTION|END SOLUTION)")


class BadMarksError(Exception):
    """The marks in a solution do not pair up."""


def cut(solution: str, first: int = 1) -> str:
    """Return the skeleton of a solution; both are program texts. first: the TODOs before it are filled."""
    blocks = list(BLOCK.finditer(solution))
    if not blocks or len(MARK.findall(solution)) != 3 * len(blocks):
        raise BadMarksError("a block is # TODO n: sentence, # BEGIN SOLUTION, lines, # END SOLUTION")
    numbers = sorted(int(block["number"]) for block in blocks)
    if numbers != list(range(1, len(blocks) + 1)):
        raise BadMarksError(f"the TODOs are numbered {numbers}, not 1 to {len(blocks)}")

    def task(block: re.Match[str]) -> str:
        if int(block["number"]) < first:
            return block["solution"]
        return f'{block["indent"]}# {block["todo"]}\n{block["indent"]}raise NotImplementedError("{block["todo"]}")\n'

    return BLOCK.sub(task, solution)


def held_by_git(path: Path) -> bool:
    """Tell whether git could bring this file back as it is now."""
    git = ["git", "-C", str(path.parent)]
    try:
        subprocess.run([*git, "ls-files", "--error-unmatch", path.name], check=True, capture_output=True)
        subprocess.run([*git, "diff", "--quiet", "HEAD", "--", path.name], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):  # no git, no commit, not in it, or changed since
        return False
    return True
