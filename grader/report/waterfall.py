"""A story as rows of spans: what each client was in, and what each thread of the server was doing, over time.

The axis keeps the order of what happened and is no ruler: silence is drawn shorter than it was.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from grader.record import Story

#: What an event makes of its client. An answer leaves it idle; the end leaves it ended.
BECOMES = {
    "connecting": "connecting",
    "connected": "stalled",
    "sent": "stalled",
    "asked": "waiting",
    "received": "receiving",
    "replied": "answered",
    "stops reading": "not reading",
    "reads on": "receiving",
    "ended": "ended",
    "malformed": "receiving",
}
LAST = ("closed", "reset")  # ours: its row ends
FULL = 100.0  # percent of the width


@dataclass
class Span:
    """A stretch of a row. left and width in percent of the axis; kind is a state, or "server"."""

    kind: str
    words: str
    left: float
    width: float = 0.0


@dataclass
class Row:
    """A client, or a thread of the server. marks: (place in percent, what), moments of its own."""

    name: str
    spans: list[Span] = field(default_factory=list)
    marks: list[tuple[float, str]] = field(default_factory=list)


class Axis:
    """Moments to places. A gap counts by its logarithm, so that microseconds and seconds are both seen."""

    def __init__(self, moments: Iterable[float]):
        ordered = sorted(set(moments))
        self.places = {ordered[0]: 0.0} if ordered else {}
        for before, after in pairwise(ordered):
            self.places[after] = self.places[before] + 1 + math.log1p((after - before) * 1000)
        self.length = max(self.places.values(), default=1.0) or 1.0

    def __call__(self, moment: float) -> float:
        return round(FULL * self.places[moment] / self.length, 2)


def thinned(story: Story) -> list[tuple[float, str, str, str]]:
    """The events without repeated ones: of many pieces received in a row, the first."""
    last: dict[str, str] = {}
    found = []
    for event in story.events:
        if not (event[2] == "received" and last.get(event[1]) == "received"):
            found.append(event)
        last[event[1]] = event[2]
    return found


def rows_of_clients(events: list[tuple[float, str, str, str]], axis: Axis, ended: float) -> list[Row]:
    rows: dict[str, Row] = {}
    for at, name, what, detail in events:
        row = rows.setdefault(name, Row(name))
        place = axis(at)
        if row.spans and not row.spans[-1].width:
            row.spans[-1].width = round(place - row.spans[-1].left, 2)
        state = BECOMES.get(what, "")
        going_on = row.spans[-1].kind if row.spans else "stalled"
        if going_on == "not reading" and what == "asked":
            state = going_on
        if what in LAST or what == "ended":
            row.marks.append((place, detail or what))
        elif what == "half-closed":
            row.marks.append((place, what))
            state = going_on
        if what not in LAST:
            kind = state or going_on
            row.spans.append(Span(kind, detail if kind == "ended" else kind, place))
    for row in rows.values():
        if row.spans and not row.spans[-1].width and not (row.marks and row.marks[-1][1] in LAST):
            row.spans[-1].width = round(axis(ended) - row.spans[-1].left, 2)
        row.spans = merged(row.spans)
    return list(rows.values())


def merged(spans: list[Span]) -> list[Span]:
    """Neighbours of one kind are one; what has no width is left out."""
    found: list[Span] = []
    for span in spans:
        if found and found[-1].words == span.words and found[-1].kind == span.kind:
            found[-1].width = round(found[-1].width + span.width, 2)
        elif span.width > 0:
            found.append(span)
    return found


def rows_of_server(story: Story, axis: Axis) -> list[Row]:
    """A row for each thread that was seen, with what it did from one look to the next."""
    rows: dict[str, Row] = {}
    for (at, doing), (end, _) in pairwise([*story.sights, (story.ended, [])]):
        for line in doing:
            who, _, what = line.partition(": ")
            who = who.rpartition(", ")[2]  # "main process 41, thread 42" is thread 42
            span = Span("server", what, axis(at), round(axis(end) - axis(at), 2))
            rows.setdefault(who, Row(who)).spans.append(span)
    for row in rows.values():
        row.spans = merged(row.spans)
    return list(rows.values())


@dataclass
class Picture:
    """A story, drawn: `clients` and `server` are rows, `list` is the same for who reads rather than looks."""

    clients: list[Row]
    server: list[Row]
    list: list[tuple[str, str, str, str]]  # seconds, who, what, detail
    left_out: int


def draw(story: Story) -> Picture:
    events = thinned(story)
    moments = [at for at, *_ in events] + [at for at, _ in story.sights] + [story.began, story.ended]
    axis = Axis(moments)
    told = [(at, client, what, detail) for at, client, what, detail in events]
    told += [(at, "server", line, "") for at, doing in story.sights for line in doing]
    listed = [(f"{at - story.began:.4f}", who, what, detail) for at, who, what, detail in sorted(told)]
    return Picture(rows_of_clients(events, axis, story.ended), rows_of_server(story, axis), listed, story.left_out)
