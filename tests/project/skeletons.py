"""Cut the skeletons in steps/ out of the solutions.

    python tests/project/skeletons.py            write steps/NN_name/server.py, all of them
    python tests/project/skeletons.py --check    only compare; exit status 1 if one of them differs

A learner's own files differ, as they should: only with CI in the environment is that an error.

A solution marks what the learner is to write:

    # TODO 2: receive until the head is whole.
    # BEGIN SOLUTION
    ...
    # END SOLUTION

The skeleton keeps the TODO and has `raise NotImplementedError("TODO 2: ...")` for the rest. All else,
the docstring included, is the same in both. Numbers follow the order in which a run gets there.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
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


def cut(solution):
    """Return the skeleton of a solution; both are program texts."""
    blocks = list(BLOCK.finditer(solution))
    if not blocks or len(MARK.findall(solution)) != 3 * len(blocks):
        raise BadMarksError("a block is # TODO n: sentence, # BEGIN SOLUTION, lines, # END SOLUTION")
    numbers = sorted(int(block["number"]) for block in blocks)
    if numbers != list(range(1, len(blocks) + 1)):
        raise BadMarksError(f"the TODOs are numbered {numbers}, not 1 to {len(blocks)}")
    return BLOCK.sub(r'\g<indent># \g<todo>\n\g<indent>raise NotImplementedError("\g<todo>")\n', solution)


def skeletons(repository):
    """Return the text that each steps/NN_name/server.py should have, by its path."""
    texts = {}
    for solution in sorted(repository.glob("solutions/*/server.py")):
        try:
            text = cut(solution.read_text(encoding="utf-8"))
        except BadMarksError as error:
            sys.exit(f"{solution.relative_to(repository)}: {error}")
        texts[repository / "steps" / solution.parent.name / "server.py"] = text
    if not texts:
        sys.exit(f"no solutions/*/server.py in {repository}")
    return texts


def held_by_git(path):
    """Tell whether git could bring this file back as it is now."""
    git = ["git", "-C", str(path.parent)]
    try:
        subprocess.run([*git, "ls-files", "--error-unmatch", path.name], check=True, capture_output=True)
        subprocess.run([*git, "diff", "--quiet", "HEAD", "--", path.name], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):  # no git, no commit, not in it, or changed since
        return False
    return True


def main():
    """Write the skeletons, or compare them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a skeleton differs")
    args = parser.parse_args()

    wanted = skeletons(REPOSITORY)
    found = {path: path.read_bytes() if path.exists() else None for path in wanted}
    differing = [path for path, text in wanted.items() if found[path] != text.encode()]
    names = " ".join(str(path.relative_to(REPOSITORY)) for path in differing)
    if args.check:
        if differing and not os.environ.get("CI"):
            print(f"{len(differing)} of {len(wanted)} files are no skeletons any more: {names}")
            print("if that is not a learner's work, mend it: python tests/project/skeletons.py")
            return
        if differing:
            sys.exit(f"not what the solutions make: {names}\nto mend it: python tests/project/skeletons.py")
        print(f"{len(wanted)} skeletons are what the solutions make of them")
        return

    lost = [path for path in differing if found[path] is not None and not held_by_git(path)]
    if lost:
        names = " ".join(str(path.relative_to(REPOSITORY)) for path in lost)
        sys.exit(f"nothing written: git does not hold the work in {names}; commit it or move it away")
    for path in differing:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(wanted[path].encode())
    print(f"{len(wanted)} skeletons, {len(differing)} of them written: {names or 'nothing to do'}")


if __name__ == "__main__":
    main()
