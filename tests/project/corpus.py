"""The corpus: servers that are wrong on purpose, and right ones that look wrong.

`wrong/NN_name/SLUG.patch` is a unified diff against the solution and must apply exactly; `SLUG.py` is a
whole server. Both begin with lines `Breaks: ...` and `Caught by: CHECK[, CHECK]` (in a .py they stand in
its docstring); right ones say `Unusual: ...` and `A hasty grader: ...` instead. One that not every machine can
try says `Needs: an ordinary user`: the kernel does not limit what root does. It is left out where root grades.

    python tests/project/corpus.py list
    python tests/project/corpus.py show wrong/03_multithread/join      print the whole server
    python tests/project/corpus.py grade wrong/03_multithread/join ... grade it, and say what caught it
    python tests/project/corpus.py make STEP SLUG FILE "BREAKS" "CAUGHT BY"   write a patch from an edited copy
"""

import difflib
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
ORDINARY = "an ordinary user"  # not root
HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+\d+(?:,\d+)? @@")


class BadPatch(Exception):
    """A patch does not apply exactly to the solution as it is now."""


@dataclass(frozen=True)
class Entry:
    """One server of the corpus."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path.relative_to(HERE).with_suffix(""))

    @property
    def kind(self) -> str:
        return self.path.parent.parent.name

    @property
    def step(self) -> str:
        return self.path.parent.name

    def note(self, key: str) -> str:
        """The text of a line `key: ...`, with the lines that continue it."""
        head = self.path.read_text("utf-8").split("\n--- ")[0] if self.path.suffix == ".patch" else self.docstring
        found = re.search(rf"^{key}: (.*(?:\n(?![A-Z][a-z ]*: )\S.*)*)", head, re.M)
        return " ".join(found[1].split()) if found else ""

    @property
    def docstring(self) -> str:
        found = re.search(r'"""(.*?)"""', self.path.read_text("utf-8"), re.S)
        return found[1] if found else ""

    @property
    def caught_by(self) -> list[str]:
        return [name.strip() for name in self.note("Caught by").split(",") if name.strip()]

    @property
    def lacks(self) -> str:
        """What it needs and does not have here; "" if it can be tried."""
        return ORDINARY if self.note("Needs") == ORDINARY and os.geteuid() == 0 else ""

    @property
    def source(self) -> str:
        text = self.path.read_text("utf-8")
        if self.path.suffix == ".py":
            return text
        solution = REPOSITORY / "solutions" / self.step / "server.py"
        return apply(text, solution.read_text("utf-8"), self.name)

    def submit(self, folder: Path) -> Path:
        """Write it as a submission below `folder`; return that submission."""
        target = folder / self.step
        target.mkdir(parents=True)
        (target / "server.py").write_text(self.source, "utf-8")
        return folder


def apply(patch: str, text: str, name: str) -> str:
    """Apply a unified diff without any fuzz. Raises BadPatch."""
    lines, result, at, hunks = text.splitlines(keepends=True), [], 0, 0
    body = patch[patch.index("\n--- ") + 1 :].splitlines(keepends=True)[2:]
    for line in body:
        hunk = HUNK.match(line)
        if hunk:
            start = int(hunk[1]) - (hunk[2] != "0")
            result += lines[at:start]
            at, hunks = start, hunks + 1
        elif line[0] == "+":
            result.append(line[1:])
        else:
            if at >= len(lines) or lines[at] != line[1:]:
                raise BadPatch(f"{name}: line {at + 1} of the solution is not {line[1:]!r}; make the patch anew")
            if line[0] == " ":
                result.append(lines[at])
            at += 1
    if not hunks:
        raise BadPatch(f"{name}: it changes nothing")
    return "".join(result + lines[at:])


def entries(kind: str = "*", step: str = "*") -> list[Entry]:
    found = [path for path in HERE.glob(f"{kind}/{step}/*") if path.suffix in (".py", ".patch")]
    return [Entry(path) for path in sorted(found) if path.parent.parent.name in ("wrong", "right")]


def make(step: str, slug: str, edited: str, breaks: str, caught_by: str) -> Path:
    """Write wrong/STEP/SLUG.patch from an edited copy of the solution."""
    solution = (REPOSITORY / "solutions" / step / "server.py").read_text("utf-8").splitlines(keepends=True)
    changed = Path(edited).read_text("utf-8").splitlines(keepends=True)
    diff = "".join(difflib.unified_diff(solution, changed, "server.py", "server.py", n=2))
    path = HERE / "wrong" / step / f"{slug}.patch"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"Breaks: {breaks}\nCaught by: {caught_by}\n\n{diff}", "utf-8")
    return path


def grade(entry: Entry) -> int:
    with tempfile.TemporaryDirectory() as folder:
        submission = entry.submit(Path(folder) / "submission")
        command = [sys.executable, "-m", "grader", entry.step, "--submission", str(submission)]
        print(f"{entry.name}: {entry.note('Breaks') or entry.note('Unusual')}; caught by {entry.caught_by}")
        return subprocess.run(command, cwd=REPOSITORY).returncode


def main(arguments: list[str]) -> int:
    match arguments:
        case ["list"]:
            for entry in entries():
                print(f"{entry.name:<50} {entry.note('Breaks') or entry.note('Unusual')}")
        case ["show", *names] if names:
            print("".join(entry.source for entry in entries() if entry.name in names), end="")
        case ["grade", *names] if names:
            return max((grade(entry) for entry in entries() if entry.name in names), default=2)
        case ["make", step, slug, edited, breaks, caught_by]:
            print(make(step, slug, edited, breaks, caught_by))
        case _:
            print(__doc__)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
