"""Records as plain text, for a terminal."""

import re
import textwrap
import unicodedata
from collections import Counter

from grader.finding import Finding
from grader.record import (
    ENDED_BEFORE,
    FAILED,
    FULL,
    NOT_JUDGED,
    NOT_RUN,
    NOT_SELECTED,
    NOT_STARTED,
    PASSED,
    Check,
    Result,
)
from grader.words import plural

FRAME = re.compile(r'^  File "([^"\n]*)", line .*\n(?:    .*\n)*', re.M)
TRACEBACK = "Traceback (most recent call last)"
CARETS = re.compile(r" +[~^]+$")  # below a line of a traceback
IN_OUR_FOLDER = re.compile(r'"/[^"]*/eight-servers-[^"]*/(?=[^/"]*\.py")')  # where a copy of server.py was run
MOST_OTHERS = 4  # lines for what failed beside the first
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
    """The end of what a server printed, without what only takes room in a traceback; what is left out is said."""
    lines = [
        IN_OUR_FOLDER.sub('"', line) for line in printable(printed).rstrip().splitlines() if not CARETS.match(line)
    ]
    cut = [line if len(line) <= longest else f"{line[:longest]} [... {len(line)} characters]" for line in lines[-most:]]
    return [f"[... {plural(len(lines) - most, 'line')} before]", *cut] if len(lines) > most else cut


def printed_lines(finding: Finding) -> list[str]:
    """The end of what the server printed; of a traceback that the cause tells of already only where it ended."""
    if "traceback" not in finding.cause:
        return last_lines(finding.printed)
    shorter = without_calls(finding.printed)
    return last_lines(shorter, 3 if shorter == finding.printed else 4)


def without_calls(printed: str) -> str:
    """Of the last traceback, what server.py called is left out: its own line is what a learner can mend."""
    frames = list(FRAME.finditer(printed, max(printed.rfind(TRACEBACK), 0)))
    own = next((frame for frame in reversed(frames) if frame[1].endswith("server.py")), None)
    if own is None or own is frames[-1]:
        return printed
    return f"{printed[: own.end()]}    [...]\n{printed[frames[-1].end() :]}"


def failure(finding: Finding) -> str:
    """A finding as did / expected / saw / look at."""
    parts = [paragraph("did", "; ".join(filter(None, finding.did)))] if finding.did else []
    parts += [paragraph("expected", finding.expected), paragraph("saw", finding.saw)]
    if finding.how:
        parts.append(paragraph("known", finding.how))
    parts += [paragraph("stood" if n == 0 else "", place) for n, place in enumerate(finding.stood)]
    if finding.cause:
        parts.append(paragraph("cause", finding.cause))
    if finding.printed.strip():
        parts += [f"    {'printed' if n == 0 else '':<9} | {text}" for n, text in enumerate(printed_lines(finding))]
    if finding.repeat:
        lead = f"\n    {'':<9} "
        parts.append(f"    {'by hand':<9} {lead.join(printable(finding.repeat).splitlines())}")
    if finding.look_at:
        parts.append(paragraph("look at", finding.look_at))
    return "\n".join(parts)


def story(check: Check) -> str:
    """What there is to say of a check that was not passed: its finding, or the outcome with its reason."""
    if check.finding:
        return failure(check.finding)
    return "" if check.outcome == PASSED else f"{check.outcome}: {printable(check.reason)}"


def summary(result: Result) -> str:
    """The end of a run: what else was lost, what failed first and why, the score."""
    if result.error:
        return printable(f"{result.step}: nothing could be graded: {result.error}")
    failed = failures(result)
    told = [f"{name}: {printable(saw)}" for name, saw in others(failed[1:])]
    parts = [f"  {textwrap.shorten(words, 108, placeholder=' ...')}" for words in told] + other_lines(result)
    parts[:0] = [""] * bool(parts)
    if failed:
        parts.append(f"\n  {printable(failed[0].title)}\n{story(failed[0])}")
    parts.append(f"\n{result.step}: {score(result)} ({result.seconds:.1f} s, walls: {result.walls})")
    if result.walls_note:
        parts.append(f"walls: {printable(result.walls_note)}")
    return "\n".join(parts)


def score(result: Result) -> str:
    """What was earned. A run that was ended before its end, or a part, has no points."""
    if result.interrupted:
        played = sum(check.reason != ENDED_BEFORE for check in result.selected)
        return f"ended in mid-run, after {played} of {plural(len(result.selected), 'check')}: no points are told"
    if result.part:
        passed = sum(check.outcome == PASSED for check in result.selected)
        return f"only {result.part}: {passed} of {plural(len(result.selected), 'check')} passed"
    return f"{result.score} of {FULL} points{stretch_words(result)}"


def others(failed: list[Check]) -> list[tuple[str, str]]:
    """What else failed, folded: checks of which the same was seen are one entry, and the last tells of the rest."""
    alike: dict[str, list[Check]] = {}
    for check in failed:
        seen = check.finding.saw if check.finding else check.reason
        alike.setdefault(re.sub(r"\d+", "0", seen), []).append(check)
    groups = sorted(alike.values(), key=lambda checks: -len(checks))
    told, rest = groups[:MOST_OTHERS], [check for checks in groups[MOST_OTHERS:] for check in checks]
    entries = []
    for checks in told:
        name = checks[0].name if len(checks) == 1 else f"{len(checks)} more"
        seen = checks[0].finding.saw if checks[0].finding else checks[0].reason
        entries.append((name, seen if len(checks) == 1 else f"{seen} ({named(checks)})"))
    return entries + ([(f"{len(rest)} more", named(rest))] if rest else [])


def named(checks: list[Check], most: int = 3) -> str:
    return ", ".join([*(check.name for check in checks[:most]), *["..."] * (len(checks) > most)])


def walls(result: Result) -> str:
    """Which walls were around the server, and what they left to it."""
    return printable(f"{result.walls}: {result.walls_note}" if result.walls_note else result.walls)


def failures(result: Result) -> list[Check]:
    """The failed checks in the order in which to look at them: the stretch ones last."""
    failed = [check for check in result.checks if check.finding and check.outcome == FAILED]
    return sorted(failed, key=lambda check: check.stretch)


def other_lines(result: Result) -> list[str]:
    """What there is to say beside failures: not judged, notes, not run and because of what, folded."""
    parts = [f"  note: {printable(note)}" for note in result.notes]
    reasons = Counter(check.reason for check in result.checks if check.outcome == NOT_JUDGED)
    for check in result.checks:
        if check.outcome == NOT_JUDGED and reasons[check.reason] == 1 and check.reason != ENDED_BEFORE:
            parts.append(f"  not judged: {check.name}: {printable(check.reason)}")
        parts += [f"  note: {check.name}: {printable(note)}" for note in check.notes]
    many = {why: count for why, count in reasons.items() if count > 1 or why == ENDED_BEFORE}
    many.pop(ENDED_BEFORE if result.interrupted else "", None)
    parts += [f"  {checks_were(count)} not judged: {printable(why)}" for why, count in many.items()]
    not_run = Counter(why_not_run(check) for check in result.checks if check.outcome == NOT_RUN)
    del not_run[NOT_SELECTED]
    return parts + [f"  {checks_were(count)} not run: {printable(r)}" for r, count in sorted(not_run.items())]


def why_not_run(check: Check) -> str:
    return "they need what has failed" if check.reason.startswith("it needs ") else check.reason


def checks_were(count: int) -> str:
    return f"{plural(count, 'check')} {'was' if count == 1 else 'were'}"


def stretch_words(result: Result) -> str:
    stretch = [check for check in result.checks if check.stretch and check.outcome != NOT_RUN]
    if not stretch:
        return ""
    return f", and {sum(check.outcome == PASSED for check in stretch)} of {plural(len(stretch), 'stretch check')}"
