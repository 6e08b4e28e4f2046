"""What every wrong server of the corpus is told: golden text, to be read and to be compared.

    python tests/project/messages.py [NAME ...]            grade all, or those whose names begin so, and write the text
    python tests/project/messages.py --check [NAME ...]    compare instead; exit status 1 and a diff if it differs

tests/project/messages/NN_name.txt has a section for each server: its name, what it breaks, and what the first check
that is meant to catch it says. Left out is what belongs to the moment: where each thread stood, how the grader
knew, what was printed, what to type. Of the rest, what differs from run to run is masked: processes, descriptors,
ports, counts of bytes and of whatever a race decides stand as N, random bytes as BYTES. Statuses, sizes of files
and the numbers of clients stay. Where chance decides which of several checks fails, the sure one has to be named
first in the server's `Caught by:`.
"""

import argparse
import difflib
import json
import os
import re
import subprocess
import sys
import tempfile
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
sys.path[:0] = [str(HERE), str(REPOSITORY)]

import corpus  # noqa: E402

from grader import STEPS  # noqa: E402

FOLDER = HERE / "messages"
MASKS = (
    (r"/site-\w{8}/", "/site/"),
    (r"^client #\d+ was answered$", "client #N was answered"),  # the first of several threads
    (r"(\d+) connections? waits? in", r"\1 connections wait in"),
    (r"(?<=was silent for )\d+ s", "N s"),
    (r"(got the \d+ bytes of /page)\d+", r"\1N"),
    (r"(?<=, then )(a reset|the end of the stream)", "the end"),  # a reset if bytes of the client come after close()
    (r"/tmp/[^\s'\"]*?/(server\.py|site)(-\w+)*", r"/\1"),
    (r"\(a nap[^)]*\)", "(a nap)"),
    (r"eight-servers-\w+|[0-9a-f]{16,}", "NAME"),
    (r"127(\.\d+){3}(?=:| --port)(?<!127\.0\.0\.1)", "ADDRESS"),
    (r"is another: .* and not .* \(\d+ bytes came\)", "is another: BYTES and not BYTES (N bytes came)"),
    (r"b'(?:[^'\\]|\\.)*\\x[^']*'", "BYTES"),
    (r"(?<![#\w.-])\d{5,}", "N"),
)
COUNT = r"(?<![#\w./:-])(?<!answered )(?<!Errno )(?<!HTTP/1\.[01] )\d+(\.\d+)?(?![-.\w/])(?! bytes and left)"
LOOSE = ("saw", "cause")  # whose counts may differ from run to run
REFUSED = "could not connect: refused"
PARTS = (("did", "did"), ("expected", "expected"), ("saw", "saw"), ("cause", "cause"), ("look at", "look_at"))


def stable(text: str, part: str) -> str:
    """Without what differs from run to run."""
    for pattern, mask in MASKS:
        text = re.sub(pattern, mask, text)
    return re.sub(COUNT, "N", re.sub(r"#\d+", "#N", text) if part == "cause" else text) if part in LOOSE else text


def without_moment(text: str) -> str:
    """Which client is the first to be refused hangs on how soon the server is gone."""
    first, _, more = text.partition("; ")
    return re.sub(r"#\d+", "#N", first + "; ..." * bool(more))


def wrapped(label: str, words: str) -> str:
    return textwrap.fill(words, 110, initial_indent=f"   {label:<9} ", subsequent_indent=" " * 13)


def message(entry: corpus.Entry, data: dict) -> str:
    """The section of a server, from the JSON that the grader wrote of it; "" if none of the meant checks failed."""
    checks = {check["name"]: check for check in data["steps"][0]["checks"]}
    failed = [checks[name] for name in (*entry.caught_by, "answers") if checks[name]["finding"]]
    if not failed:
        return ""
    finding = {**failed[0]["finding"], "did": "; ".join(failed[0]["finding"]["did"])}
    if REFUSED in finding["saw"]:
        finding |= {part: without_moment(finding[part]) for part in ("did", "expected", "saw")}
    lines = [f"== {entry.path.stem}", wrapped("breaks", entry.note("Breaks")), wrapped("check", failed[0]["title"])]
    for label, field in PARTS:
        if finding[field]:
            lines.append(wrapped(label, stable(finding[field], label)))
    return "\n".join(lines) + "\n"


def grade(entry: corpus.Entry) -> str:
    with tempfile.TemporaryDirectory() as name:
        submission, result = entry.submit(Path(name) / "submission"), Path(name) / "result.json"
        select = " or ".join(["test_answers", *(f"test_{check}" for check in entry.caught_by)])
        command = [sys.executable, "-m", "grader", entry.step, "--submission", str(submission), "-k", select]
        subprocess.run([*command, "--json", str(result)], cwd=REPOSITORY, capture_output=True)
        return message(entry, json.loads(result.read_text("utf-8")))


def golden(step: str) -> dict[str, str]:
    """Server -> its section, as it is kept."""
    path = FOLDER / f"{step}.txt"
    text = path.read_text("utf-8") if path.exists() else ""
    return {part.split("\n")[0]: f"== {part.rstrip()}\n" for part in re.split(r"^== ", text, flags=re.M)[1:]}


def differences(step: str, found: dict[str, str]) -> list[str]:
    """A diff for each server that is told something else now."""
    kept = golden(step)
    lines = []
    for slug, text in found.items():
        before = kept.get(slug, "").splitlines()
        lines += difflib.unified_diff(before, text.splitlines(), f"{step}/{slug}, kept", "now", lineterm="", n=1)
    return lines


def write(step: str, found: dict[str, str]) -> None:
    slugs = {entry.path.stem for entry in corpus.entries("wrong", step)}
    sections = {slug: text for slug, text in {**golden(step), **found}.items() if slug in slugs}
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{step}.txt").write_text("\n".join(sections[slug] for slug in sorted(sections)), "utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="only the servers whose name begins so: 05, or 05_nonblocking/nap")
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many servers at a time")
    options = parser.parse_args()
    wanted = tuple(f"wrong/{name}" for name in options.names) or ("wrong/",)
    bad = 0
    for step in STEPS:
        entries = [e for e in corpus.entries("wrong", step) if e.name.startswith(wanted) and not e.lacks]
        if not entries:
            continue
        with ThreadPoolExecutor(options.jobs) as pool:
            found = dict(zip((entry.path.stem for entry in entries), pool.map(grade, entries), strict=True))
        silent = [slug for slug, text in found.items() if not text]
        lines = differences(step, found) if options.check else []
        bad += len(lines) + len(silent)
        lines += [f"{step}/{slug}: not caught by the check meant for it" for slug in silent]
        print("\n".join([*lines, f"{step}: {len(found)} messages"]), flush=True)
        if not options.check:
            write(step, {slug: text for slug, text in found.items() if text})
    if bad and options.check:
        print("if the new text is the better one: `python tests/project/messages.py NAME ...` renews it")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
