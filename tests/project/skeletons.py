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
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from grader.learn.skeleton import BadMarksError, cut, held_by_git  # noqa: E402


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
