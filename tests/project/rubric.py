"""Write the rubric into GRADING.md from the marks and docstrings of the checks.

    python tests/project/rubric.py            rewrite what stands between the two marks there
    python tests/project/rubric.py --check    only compare; exit status 1 if it differs

The marks are the lines `<!-- rubric -->` and `<!-- end of rubric -->`.
"""

import argparse
import importlib.util
import inspect
import re
import sys
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
GRADING = REPOSITORY / "GRADING.md"
BEGIN, END = "<!-- rubric -->", "<!-- end of rubric -->"


@dataclass(frozen=True)
class Line:
    """A line of the rubric: a check, what it is worth ("stretch" beside the points), what it asks for."""

    check: str
    points: int | str
    what: str


def suites():
    """Step -> its suite as a module, in the order of the steps."""
    if str(REPOSITORY) not in sys.path:
        sys.path.insert(0, str(REPOSITORY))
    found = {}
    for path in sorted(REPOSITORY.glob("tests/test_*.py")):
        spec = importlib.util.spec_from_file_location(f"suite_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found[path.stem.removeprefix("test_")] = module
    return found


def checks(module):
    """The checks of a suite from top to bottom."""
    return [value for name, value in vars(module).items() if name.startswith("test_") and callable(value)]


def line(check):
    marks = {mark.name: mark for mark in getattr(check, "pytestmark", [])}
    points = "stretch" if "stretch" in marks else marks["points"].args[0] if "points" in marks else 0
    title = inspect.cleandoc(check.__doc__ or "").split("\n\n")[0].replace("\n", " ")
    return Line(check.__name__.removeprefix("test_"), points, title)


def rubric():
    """Step -> the lines of its rubric."""
    return {step: [line(check) for check in checks(module)] for step, module in suites().items()}


def table(rubric):
    """The rubric as Markdown."""
    parts = []
    for step, lines in rubric.items():
        parts += [f"### {step}", "", "| check | points | what must hold |", "| --- | ---: | --- |"]
        parts += [f"| {line.check} | {line.points} | {line.what.replace('|', chr(92) + '|')} |" for line in lines]
        parts += [""]
    return "\n".join(parts).rstrip("\n")


def read(text):
    """The rubric that stands in a Markdown text between the two marks, as `rubric()` gives it."""
    found = {}
    for row in between(text)[1].splitlines():
        if row.startswith("### "):
            step = row.removeprefix("### ").strip()
            found[step] = []
        elif row.startswith("|"):
            cells = [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", row)[1:-1]]
            if cells[0] != "check" and set(cells[0]) != {"-"}:
                found[step].append(Line(cells[0], int(cells[1]) if cells[1].isdigit() else cells[1], cells[2]))
    return found


def between(text):
    """The text before the rubric, the rubric, and the text after it. Raises ValueError."""
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"there must be one line {BEGIN} and one line {END}")
    before, _, rest = text.partition(BEGIN)
    inside, _, after = rest.partition(END)
    return before + BEGIN, inside, END + after


def renewed(text):
    before, _, after = between(text)
    return f"{before}\n\n{table(rubric())}\n\n{after}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the rubric differs")
    args = parser.parse_args()
    try:
        text = GRADING.read_text(encoding="utf-8")
        wanted = renewed(text)
    except (OSError, ValueError) as error:
        sys.exit(f"{GRADING.name}: {error}")
    if text == wanted:
        print(f"{GRADING.name}: the rubric is what the checks say")
    elif args.check:
        sys.exit(f"{GRADING.name}: the rubric is not what the checks say\nto mend it: python tests/project/rubric.py")
    else:
        GRADING.write_text(wanted, encoding="utf-8")
        print(f"{GRADING.name}: the rubric is written anew")


if __name__ == "__main__":
    main()
