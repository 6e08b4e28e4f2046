"""Records as plain text, for a terminal."""

import textwrap
import unicodedata
from collections import Counter

from grader.finding import Finding
from grader.record import ENDED_BEFORE, FAILED, FULL, NOT_JUDGED, NOT_RUN, NOT_STARTED, PASSED, Check, Result

MARKS = {PASSED: "ok", FAILED: "FAILED", NOT_STARTED: "to do", NOT_RUN: "-", NOT_JUDGED: "?"}


def printable(text: str) -> str:
    """Text of others without what could act on a terminal or a log: control characters are shown escaped."""
    return "".join(
        c
        if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cn", "Cs", "Zl", "Zp")
        else c.encode("unicode_escape", "surrogatepass").decode()
        for c in text
    )


def in_a_line(words: str) -> str:
    """Text of others where a line of ours has to stay one."""
    return printable(words).replace("\n", "\\n")


def line(check: Check) -> str:
    """One line for a check: its mark, its points, its rubric line."""
    points = "stretch" if check.stretch else f"{check.earned}/{check.points}"
    return f"  {MARKS[check.outcome]:>6}  {points:>7}  {printable(check.title)}"


def paragraph(label: str, text: str) -> str:
    lead = f"    {label:<9} "
    return textwrap.fill(
        printable(text), 100, initial_indent=lead, subsequent_indent=" " * len(lead), break_on_hyphens=False
    )


def last_lines(printed: str, most: int = 6, longest: int = 160) -> list[str]:
    """The end of what a server printed; what is left out is said."""
    lines = printable(printed).rstrip().splitlines()
    cut = [line if len(line) <= longest else f"{line[:longest]} [... {len(line)} characters]" for line in lines[-most:]]
    return [f"[... {len(lines) - most} lines before]", *cut] if len(lines) > most else cut


def failure(finding: Finding) -> str:
    """A finding as did / expected / saw / look at."""
    parts = [paragraph("did", "; ".join(finding.did))] if finding.did else []
    parts += [paragraph("expected", finding.expected), paragraph("saw", finding.saw)]
    if finding.how:
        parts.append(paragraph("known", finding.how))
    parts += [paragraph("stood" if n == 0 else "", place) for n, place in enumerate(finding.stood)]
    if finding.cause:
        parts.append(paragraph("cause", finding.cause))
    if finding.printed.strip():
        parts += [
            f"    {'printed' if n == 0 else '':<9} | {text}" for n, text in enumerate(last_lines(finding.printed))
        ]
    if finding.repeat:
        parts.append(f"    {'by hand':<9} {printable(finding.repeat)}")
    if finding.look_at:
        parts.append(paragraph("look at", finding.look_at))
    return "\n".join(parts)


def story(check: Check) -> str:
    """What there is to say of a check that was not passed: its finding, or the outcome with its reason."""
    if check.finding:
        return failure(check.finding)
    return "" if check.outcome == PASSED else f"{check.outcome}: {printable(check.reason)}"


def summary(result: Result) -> str:
    """The end of a run: what failed first and why, what else did, the score, the next thing to do."""
    if result.error:
        return printable(f"{result.step}: nothing could be graded: {result.error}")
    parts = []
    failed = failures(result)
    if failed:
        parts.append(f"\n  {printable(failed[0].title)}\n{story(failed[0])}\n")
    parts += [paragraph("then", f"{check.name}: {check.reason}") for check in failed[1:]]
    parts += other_lines(result)
    parts.append(f"\n{result.step}: {result.score} of {FULL} points{stretch_words(result)} ({result.seconds:.1f} s)")
    if words := next_thing(result):
        parts.append(f"next: {printable(words)}")
    return "\n".join(parts)


def failures(result: Result) -> list[Check]:
    """The failed checks in the order in which to look at them: the stretch ones last."""
    failed = [check for check in result.checks if check.finding and check.outcome == FAILED]
    return sorted(failed, key=lambda check: check.stretch)


def other_lines(result: Result) -> list[str]:
    """What there is to say beside failures: not judged, notes, not run and because of what."""
    parts = [f"  note: {printable(note)}" for note in result.notes]
    reasons = Counter(check.reason for check in result.checks if check.outcome == NOT_JUDGED)
    for check in result.checks:
        if check.outcome == NOT_JUDGED and reasons[check.reason] == 1 and check.reason != ENDED_BEFORE:
            parts.append(f"  not judged: {check.name}: {printable(check.reason)}")
        parts += [f"  note: {check.name}: {printable(note)}" for note in check.notes]
    many = {why: count for why, count in reasons.items() if count > 1 or why == ENDED_BEFORE}
    parts += [f"  {checks_were(count)} not judged: {printable(why)}" for why, count in many.items()]
    not_run = Counter(check.reason for check in result.checks if check.outcome == NOT_RUN)
    return parts + [f"  {checks_were(count)} not run: {printable(r)}" for r, count in sorted(not_run.items())]


def checks_were(count: int) -> str:
    return "1 check was" if count == 1 else f"{count} checks were"


def next_thing(result: Result) -> str:
    """What to do now, in a line; "" if only a part was graded."""
    number = result.step[:2]
    if result.todo:
        return f"{result.todo} (`./toxw -e hint -- {number}` has a hint)"
    if failed := [check for check in failures(result) if not check.stretch]:
        return f"mend the first; `./toxw -e step{number} -- -k {alone(result, failed[0])}` grades it alone"
    if any(check.outcome == NOT_JUDGED and check.reason.startswith("out of time") for check in result.checks):
        return "grade it again with more time (--budget), or where less goes on beside it"
    if result.score < FULL:
        return ""
    if number == "08":
        return "that was the last step; `./toxw -e compare -- 08` shows yours beside ours"
    return f"`./toxw -e compare -- {number}` shows yours beside ours; then step {int(number) + 1:02}"


def alone(result: Result, check: Check) -> str:
    """What selects this check only: -k takes a part of a name, and looks in the name of the suite's file too."""
    name = f"test_{check.name}" if check.name in result.step else check.name
    others = [other.name for other in result.checks if other is not check and name in f"test_{other.name}"]
    return f"'{' and not '.join([name, *others])}'" if others else name


def stretch_words(result: Result) -> str:
    stretch = [check for check in result.checks if check.stretch and check.outcome != NOT_RUN]
    if not stretch:
        return ""
    return f", and {sum(check.outcome == PASSED for check in stretch)} of {len(stretch)} stretch checks"
