"""Bundles of the grader for machines that are not ours: `python -m ci.bundle gradescope|classroom50 --steps 05`.

gradescope: autograder.zip, to be uploaded to an assignment. classroom50: a folder, to be put into the teacher's
repository as CLASSROOM/autograders/ASSIGNMENT. Only what grading needs is in them: no solutions, no tests of ours.
"""

import argparse
import json
import shutil
import sys
import zipfile
from pathlib import Path

from grader import STEPS
from grader.finding import CannotGrade
from grader.grading import REPOSITORY, step_named
from grader.options import Parser, program, worth

#: What grading needs, of the repository. Where what it matches is a folder, all of it is meant.
NEEDED = ("LICENSE", "requirements/grade.txt", "grader", "tests/*.py", "tests/pytest.ini", "tests/checks")
GRADESCOPE = ("ci/prepare.sh", "ci/grade.sh", "ci/gradescope/run.py")
CLASSROOM50 = ("ci/prepare.sh", "ci/grade.sh")
MOST_MINUTES = 40  # of Gradescope


def files(*patterns: str) -> list[Path]:
    """The files that these patterns name, relative to the repository, in order, without what Python caches."""
    matched = [path for pattern in patterns for path in REPOSITORY.glob(pattern)]
    whole = [below for path in matched for below in (path.rglob("*") if path.is_dir() else [path])]
    return sorted(p.relative_to(REPOSITORY) for p in whole if p.is_file() and "__pycache__" not in p.parts)


def add(archive: zipfile.ZipFile, name: str, content: bytes, executable: bool = False) -> None:
    """The same content makes the same bytes: no date, and stored, since compressors differ."""
    entry = zipfile.ZipInfo(name)  # 1980-01-01
    entry.create_system = 3  # Unix: the mode counts
    entry.external_attr = (0o100755 if executable else 0o100644) << 16
    archive.writestr(entry, content)


def gradescope(out: Path, settings: dict[str, object]) -> None:
    """A zip whose root is what Gradescope unpacks into /autograder/source."""
    room = REPOSITORY / "ci" / "gradescope"
    out.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(out, "w") as archive:
        for name in ("run_autograder", "setup.sh"):
            add(archive, name, (room / name).read_bytes(), executable=True)
        add(archive, "settings.json", as_json(settings))
        for path in files(*NEEDED, *GRADESCOPE):
            add(archive, path.as_posix(), (REPOSITORY / path).read_bytes(), path.suffix == ".sh")


def classroom50(out: Path, settings: dict[str, object]) -> None:
    """A folder with autograder.py and the grader beside it."""
    shutil.rmtree(out, ignore_errors=True)
    for path in files(*NEEDED, *CLASSROOM50):
        (out / "eight-servers" / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / path, out / "eight-servers" / path)
    shutil.copy(REPOSITORY / "ci" / "classroom50" / "autograder.py", out)
    (out / "settings.json").write_bytes(as_json(settings))


def as_json(settings: dict[str, object]) -> bytes:
    return json.dumps(settings, indent=1, sort_keys=True).encode() + b"\n"


def steps(text: str) -> str:
    """`5,06` -> `05,06`: the steps that an assignment grades."""
    try:
        return "all" if text == "all" else ",".join(step_named(name)[:2] for name in text.split(","))
    except CannotGrade as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def minutes(text: str) -> int:
    if not text.isdigit() or not 2 <= int(text) <= MOST_MINUTES:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of minutes from 2 to {MOST_MINUTES}")
    return int(text)


def main() -> int:
    parser = Parser(prog="python -m ci.bundle", description="Bundle the grader.", allow_abbrev=False)
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="gradescope|classroom50")
    for kind in (gradescope, classroom50):
        one = kinds.add_parser(kind.__name__, prog=program(f"ci.bundle {kind.__name__}"), allow_abbrev=False)
        one.add_argument("--steps", type=steps, required=True, help="what it grades: 05, several with commas, or all")
        one.add_argument("--out", type=Path, required=True, help="where to put it")
    one = kinds.choices["gradescope"]
    one.add_argument("--points", type=worth, help="what all of it is worth, if not what the assignment says there")
    one.add_argument("--minutes", type=minutes, help="the time-out of the assignment there: 2 to 40; 10 a step")
    options = vars(parser.parse_args())
    kind, out = options.pop("kind"), options.pop("out")
    if kind == "gradescope" and options["minutes"] is None:
        count = len(STEPS) if options["steps"] == "all" else len(options["steps"].split(","))
        options["minutes"] = min(10 * count, MOST_MINUTES)
    {"gradescope": gradescope, "classroom50": classroom50}[kind](out, options)
    more = f"; let the time-out of the assignment be {options['minutes']} minutes" if kind == "gradescope" else ""
    print(f"{out}: grades {options['steps']}{more}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
