"""Records as one page of HTML that asks for nothing from outside: score, rubric, findings, and the pictures.

All that a submission has a hand in comes here as text. Two gates let nothing else of it through: `clean` makes
control characters visible and bounds the length, and jinja2 escapes whatever is no template of ours.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from grader.finding import Finding
from grader.record import FAILED, FULL, NOT_JUDGED, NOT_RUN, NOT_STARTED, PASSED, Check, Result, Story
from grader.report.picture import MARKS, SPANS, picture, shortened
from grader.report.text import printable
from grader.words import plural

MOST_TEXT = 4000  # characters of one piece of text
MOST_LINES = 8  # of what the server printed
WORDS = {
    PASSED: "✓ passed",
    FAILED: "✗ failed",
    NOT_STARTED: "… to do",
    NOT_RUN: "- not run",
    NOT_JUDGED: "? not judged",
}
SERVERS = ("running", "asleep")  # the spans of a server's lanes


def clean(value: object) -> object:
    """What stands in `{{ }}`, before it is escaped."""
    return value if isinstance(value, Markup) or not isinstance(value, str) else printable(shortened(value, MOST_TEXT))


def finding_rows(finding: Finding) -> list[tuple[str, str, list[str]]]:
    """Label, what the texts are (words of ours, lines of a terminal, or what others have a hand in), texts."""
    rows = [
        ("did", "ours", ["; ".join(finding.did)]),
        ("expected", "text", [finding.expected]),
        ("saw", "text", [finding.saw]),
        ("known", "text", [finding.how]),
        ("stood", "text", finding.stood),
        ("cause", "text", [finding.cause]),
        ("printed", "lines", last_lines(finding.printed)),
        ("by hand", "lines", [finding.repeat]),
        ("look at", "ours", [finding.look_at]),
    ]
    return [(label, kind, kept) for label, kind, texts in rows if (kept := [text for text in texts if text.strip()])]


def last_lines(printed: str) -> list[str]:
    lines = [shortened(line, 200) for line in printed.rstrip().splitlines()]
    left = len(lines) - MOST_LINES
    return [f"[... {plural(left, 'line')} before these]", *lines[-MOST_LINES:]] if left > 0 else lines


def wanting(result: Result) -> list[tuple[str, list[Check]]]:
    """The checks that are told in full, since they ran and did not pass; stretch checks apart."""
    groups: dict[str, list[Check]] = {}
    for check in result.checks:
        if check.outcome not in (PASSED, NOT_RUN):
            failed = "What is to do" if check.outcome == NOT_STARTED else "What failed, and how"
            groups.setdefault("Beside the points" if check.stretch else failed, []).append(check)
    return list(groups.items())


def drawn(check: Check) -> list[Story]:
    """The stories of which there is something to be seen."""
    return [story for story in check.stories if story.events or len(story.sights) > 1]


def code(text: str) -> Markup:
    """Words of ours: what stands between backticks as code. Everything is escaped."""
    parts = [escape(clean(part)) for part in text.split("`")]
    return Markup("").join(Markup("<code>{}</code>").format(p) if n % 2 else p for n, p in enumerate(parts))


@cache
def environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        finalize=clean,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {
        "SPANS": SPANS,
        "MARKS": MARKS,
        "SERVERS": SERVERS,
        "WORDS": WORDS,
        "FULL": FULL,
        "picture": picture,
        "finding_rows": finding_rows,
        "wanting": wanting,
        "drawn": drawn,
    }
    made.filters["code"] = code
    return made


def counted(result: Result) -> str:
    """`31 of 33 checks passed, 1 failed, 1 was not run`; stretch checks are told apart."""
    graded = [check for check in result.checks if not check.stretch]
    stretch = [check for check in result.checks if check.stretch and check.outcome != NOT_RUN]
    parts = [f"{sum(check.outcome == PASSED for check in graded)} of {plural(len(graded), 'check')} passed"]
    for outcome in (FAILED, NOT_STARTED, NOT_RUN, NOT_JUDGED):
        if count := sum(check.outcome == outcome for check in graded):
            parts.append(f"{count} {outcome}")
    if stretch:
        parts.append(f"{sum(check.outcome == PASSED for check in stretch)} of {len(stretch)} stretch checks passed")
    return ", ".join(parts)


def render(results: list[Result]) -> str:
    """One page for these steps."""
    return (
        environment()
        .get_template("page.html")
        .render(
            results=results,
            title=results[0].step if len(results) == 1 else "All steps",
            score=sum(result.score for result in results),
            full=FULL * len(results),
            counted=counted,
        )
    )


def render_comparison(mine: Result, ours: Result, rates: list[tuple[str, str, str]]) -> str:
    """Both servers side by side, check by check. rates: what, the learner's, ours."""
    others = {check.name: check for check in ours.checks}
    pairs = [(check, others[check.name]) for check in mine.checks if check.name in others]
    return environment().get_template("compare.html").render(mine=mine, ours=ours, rates=rates, pairs=pairs)


@dataclass
class Model:
    """One of the servers in the scene that all of them play. facts: what the kernel showed, (label, value). own: the
    learner's."""

    step: str
    name: str
    look_for: str
    facts: list[tuple[str, str]]
    story: Story
    own: bool = False


def render_models(models: list[Model], day: str) -> tuple[str, str]:
    """The same scene with each server, side by side: a page, and an SVG of the clients alone for a README."""
    page, image = (environment().get_template(f"models.{kind}") for kind in ("html", "svg"))
    return page.render(models=models, day=day), image.render(models=models)
