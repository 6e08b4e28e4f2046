"""Records for GitHub Actions: a summary of the job in Markdown, and annotations at the lines of server.py.

Formats: https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions. The runner obeys
what it finds on standard output, so while we run it is told to obey nothing (`silenced`).
"""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grader.record import FAILED, FULL, NOT_JUDGED, NOT_RUN, NOT_STARTED, PASSED, Check, Result
from grader.report import text
from grader.words import plural

MOST_ANNOTATIONS = 10  # of a level, a step of a workflow
LONGEST = 4000  # characters of a message; the runner cuts at 4096
LARGEST_SUMMARY = 1 << 20  # bytes that a step may have; more, and all of it is lost


def on() -> bool:
    return os.environ.get("GITHUB_ACTIONS") == "true"


@contextmanager
def silenced() -> Iterator[None]:
    """Whatever is printed meanwhile is no workflow command."""
    token = secrets.token_hex(16)
    print(f"::stop-commands::{token}", flush=True)
    try:
        yield
    finally:
        print(f"\n::{token}::", flush=True)


def escaped(message: str, *, name: bool = False) -> str:
    """A message, or the value of a property, as the runner takes it apart."""
    for character, code in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A")):
        message = message.replace(character, code)
    return message.replace(":", "%3A").replace(",", "%2C") if name else message


def annotation(result: Result, check: Check) -> str:
    story = text.story(check)
    if len(story) > LONGEST:
        story = f"{story[:LONGEST]}\n[... {len(story)} characters in all]"
    properties = {"file": where(result.script), "title": f"{result.step}: {check.title}"}
    if check.finding and check.finding.line:
        properties["line"] = str(check.finding.line)
    words = ",".join(f"{name}={escaped(text.printable(value), name=True)}" for name, value in properties.items())
    return f"::error {words}::{escaped(story)}"


def where(script: str) -> str:
    """The path as the repository of the workflow has it."""
    try:
        return str(Path(script).resolve().relative_to(Path(os.environ.get("GITHUB_WORKSPACE", "/")).resolve()))
    except ValueError:
        return script


def annotations(results: list[Result]) -> list[str]:
    """Workflow commands, a line each: what failed, at most as many as are shown; what was not judged."""
    failed = [
        (result, check)
        for result in results
        for check in result.checks
        if check.outcome in (FAILED, NOT_STARTED) and not check.stretch
    ]
    found = [annotation(result, check) for result, check in failed]
    found += [f"::error::{escaped(text.printable(f'{r.step}: {r.error}'))}" for r in results if r.error]
    if len(found) > MOST_ANNOTATIONS:
        rest = len(found) - MOST_ANNOTATIONS + 1
        found = [
            *found[: MOST_ANNOTATIONS - 1],
            f"::error::{plural(rest, 'more check')} failed; the summary of the job has them",
        ]
    return found + [not_judged(result) for result in results if not_judged(result)]


def not_judged(result: Result) -> str:
    """A warning if the result is none; "" if it is one."""
    missing = [] if result.error else [check for check in result.checks if check.outcome == NOT_JUDGED]
    if not missing:
        return ""
    words = f"{text.checks_were(len(missing))} not judged: {missing[0].reason}"[:LONGEST]
    return f"::warning title={escaped(result.step, name=True)}%3A grade again::{escaped(text.printable(words))}"


def fenced(words: str) -> str:
    """Text as it is, whatever it holds: between more backticks than there are in it."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", words)), default=0))
    return f"{fence}text\n{words}\n{fence}"


def summary(result: Result) -> str:
    if result.error:
        return f"## Nothing could be graded\n\n{fenced(text.printable(f'{result.step}: {result.error}'))}\n"
    lines = [f"## {result.step}: {result.score} of {FULL} points", "", f"Walls: {text.walls(result)}", ""]
    if result.todo:
        lines += ["Next:", "", fenced(text.printable(result.todo)), ""]
    lines += ["| | points | check |", "|---|--:|---|"]
    for check in result.checks:
        points = "stretch" if check.stretch else f"{check.earned}/{check.points}"
        lines.append(f"| {text.MARKS[check.outcome]} | {points} | {check.title.replace('|', chr(92) + '|')} |")
    for check in result.checks:
        if check.outcome not in (PASSED, NOT_RUN):
            told = fenced(text.story(check))
            lines += ["", f"<details><summary>{check.name}</summary>", "", told, "", "</details>"]
    return "\n".join(lines) + "\n"


def render(results: list[Result], room: int = LARGEST_SUMMARY) -> str:
    """The summary, at most so many bytes; steps that do not fit are named."""
    parts, left_out = [], []
    for result in results:
        part = summary(result)
        room -= len(part.encode()) + 100
        if room > 0:
            parts.append(part)
        else:
            left_out.append(result.step)
    if left_out:
        parts.append(f"No room was left for {', '.join(left_out)}.\n")
    return "\n".join(parts)


def write_summary(results: list[Result]) -> None:
    """Append to the summary of the job, within what is left of its room."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if path:
        with open(path, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(render(results, LARGEST_SUMMARY - file.tell()))
