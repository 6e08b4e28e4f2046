"""Records as one page: score, rubric, and for each check its story with a picture. It asks for nothing outside.

Everything that came of a submission goes through `text.printable` and jinja2's autoescaping; the page has no
script, and its policy (CSP) forbids any.
"""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from grader.record import FAILED, FULL, NOT_JUDGED, NOT_STARTED, PASSED, Check, Result, Story
from grader.report import text, waterfall

MOST_EVENTS = 120  # in the list under a picture


def environment() -> Environment:
    folder = FileSystemLoader(Path(__file__).parent / "templates")
    made = Environment(loader=folder, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    made.filters["printable"] = lambda value: text.printable(str(value))
    made.filters["key"] = lambda kind: kind.replace(" ", "-")
    return made


def shown(check: Check) -> dict[str, Any]:
    """A check as the template takes it."""
    stories = [story for story in check.stories if story.events]
    failed = check.outcome in (FAILED, NOT_STARTED, NOT_JUDGED)
    if failed:
        stories = stories[-2:]  # the server that failed, and the one before
    return {
        "check": check,
        "mark": text.MARKS[check.outcome],
        "passed": check.outcome == PASSED,
        "failed": failed,
        "pictures": [(story, waterfall.draw(story)) for story in stories[: 2 if failed else 1]],
    }


def render(results: list[Result]) -> str:
    steps = [{"result": result, "checks": list(map(shown, result.checks))} for result in results]
    template = environment().get_template("page.html")
    return template.render(steps=steps, full=FULL, most=MOST_EVENTS, state_words=STATES)


def models(played: list[tuple[str, Story, str, str]]) -> str:
    """Pictures side by side: step, story, what the kernel showed, what to look for."""
    pictures = [(step, story, waterfall.draw(story), facts, words) for step, story, facts, words in played]
    return environment().get_template("models.html").render(pictures=pictures, most=MOST_EVENTS, state_words=STATES)


#: What the states of a client are called in the key.
STATES = {
    "connecting": "connecting",
    "stalled": "connected, request unfinished",
    "waiting": "has asked, waits",
    "receiving": "receives",
    "answered": "has its answer",
    "not reading": "does not read",
    "ended": "the server ended the stream",
    "server": "the server",
}
