"""A story as a waterfall: rows of spans and marks, placed in percent of the width. It draws nothing itself."""

from dataclasses import dataclass, field, replace
from itertools import groupby

from grader.record import Story
from grader.report.axis import Axis, duration
from grader.words import plural

#: Kind of a span -> its letter and what it means. The order is that of the key on the page.
SPANS = {
    "connecting": ("C", "connecting: its connection is not made yet"),
    "in the backlog": ("B", "in the backlog: connected, and the server has not accepted it"),
    "sending": ("»", "sending: its request is under way (for long, if the server does not read)"),
    "stalled": ("S", "stalled: it has sent nothing, or part of a request, and is silent"),
    "waiting": ("W", "waiting: its whole request is sent, and no byte of the answer has come"),
    "receiving": ("R", "receiving its answer"),
    "not reading": ("N", "not reading: it asked, and has stopped taking the answer"),
    "open": ("o", "answered, and the connection is still open"),
    "running": ("R", "a thread of the server that runs"),
    "asleep": ("", "a thread of the server that sleeps in a system call"),
}
#: What a mark shows -> its sign and what it means.
MARKS = {
    "sent": ("▾", "it sends"),
    "replied": ("✓", "its answer is whole"),
    "half-closed": ("⊣", "it ends its sending side"),
    "end of stream": ("■", "the server has ended the connection"),
    "reset by server": ("✕", "the connection is reset, or refused"),
    "closed": ("○", "the client leaves"),
    "malformed": ("!", "what came is no HTTP"),
}
AT_ONCE = 0.005  # seconds: who sends a whole request so soon after it could is not called stalled
ROOM = 9.0  # percent: for a few words
CLOSE = 3.0  # percent: the width of a sign
MOST_LANES, MOST_SEGMENTS, MOST_TOLD = 12, 40, 14


@dataclass(frozen=True)
class Span:
    """A stretch of a row; left and width are percent of the picture's."""

    kind: str
    left: float
    width: float
    says: str = ""
    label: tuple[float, float, str] | None = None  # beside it, where it is too narrow: left, width, which side

    @property
    def letter(self) -> str:
        return SPANS[self.kind][0]


@dataclass(frozen=True)
class Mark:
    """A sign on a row, or several where they would lie on each other."""

    kind: str
    left: float
    sign: str
    says: str
    before: bool = False  # it ends at its place, since a span begins there


@dataclass
class Row:
    """A client, or a thread of the server. told: the same in words, (when, what)."""

    name: str
    spans: list[Span] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    told: list[tuple[str, str]] = field(default_factory=list)

    @property
    def label(self) -> str:
        """Its name, short: of `main process 7, thread 8` the thread, or the process if that is its first."""
        process, _, thread = self.name.partition(", thread ")
        return process if not thread or process.endswith(f" {thread}") else f"thread {thread}"


@dataclass
class Picture:
    """clients and lanes from top to bottom; ticks and silences: where on the axis, and the words there."""

    clients: list[Row]
    lanes: list[Row]
    ticks: list[tuple[float, str]]
    silences: list[tuple[float, float, str]]  # left, width, how long
    end: float
    left_out: int
    columns: int  # different moments: how much room it wants

    @property
    def kinds(self) -> set[str]:
        rows = self.clients + self.lanes
        signs = "".join(mark.sign for row in rows for mark in row.marks)
        spans = {span.kind for row in rows for span in row.spans}
        return spans | {kind for kind, (sign, _) in MARKS.items() if sign in signs}


class State:
    """What a client is doing, from what has happened to it so far."""

    def __init__(self) -> None:
        self.connected = self.queued = self.receiving = self.sending = self.part = self.over = False
        self.never_accepted = False  # so far
        self.reading = True
        self.asked = self.replied = 0

    @property
    def kind(self) -> str:
        if self.over:
            return ""
        if not self.connected:
            return "connecting"
        if self.queued:
            return "in the backlog"
        if self.asked > self.replied:
            if not self.reading:
                return "not reading"
            return "receiving" if self.receiving else "waiting"
        if self.sending:
            return "sending"
        return "stalled" if self.part or not self.asked else "open"

    def happens(self, what: str, detail: str) -> None:
        if what == "connected":
            self.connected, self.queued = True, self.never_accepted
        elif what == "sent":
            self.part = True
        elif what == "asked":
            self.asked, self.part = int(detail.split()[0]), "part" in detail
        elif what in ("sending", "all sent"):
            self.sending = what == "sending"
        elif what in ("stops reading", "reads on"):
            self.reading = what == "reads on"
        elif what == "accepted":
            self.queued = False
        elif what == "received":
            self.receiving, self.queued = True, False
        elif what == "replied":
            self.replied, self.receiving = self.replied + 1, False
        elif what in ("ended", "closed", "reset"):
            self.over = True


#: What happened -> the words for it; {} is its detail.
WORDS = {
    "connecting": "connects to {}",
    "connected": "is connected",
    "sent": "sends “{}”",
    "asked": "has sent {} whole request(s)",
    "sending": "is kept from sending: {}",
    "all sent": "has sent all of it",
    "in the backlog": "waits in the backlog",
    "accepted": "has been accepted",
    "received": "has received {}",
    "replied": "has its answer: {}",
    "half-closed": "ends its sending side",
    "malformed": "has got what is no HTTP: {}",
    "ended": "sees the connection end: {}",
    "closed": "leaves",
    "reset": "vanishes with a reset",
}


def client_row(name: str, events: list[tuple[float, str, str]], axis: Axis, began: float, ended: float) -> Row:
    row, state = Row(name), State()
    # Whoever was found in the backlog has been there since it was connected.
    state.never_accepted = any(what == "in the backlog" for _, what, _ in events)
    since, pieces = max(events[0][0], began), 0
    for time, what, detail in events:
        if time > ended:
            break
        kind = state.kind
        state.happens(what, detail)
        pieces += what == "sent"
        if kind and state.kind != kind and time > since:
            if kind == "stalled" and what == "asked" and pieces == 1 and time - since < AT_ONCE:
                kind = "sending"
            row.spans.append(Span(kind, axis.at(since), round(axis.at(time) - axis.at(since), 2)))
            since, pieces = time, 0
        words = WORDS.get(what, f"{what} {{}}").replace("{}", shortened(detail, 120)).strip()
        row.told.append((duration(max(time - began, 0)), words))
        if mark := mark_of(what, detail):
            row.marks.append(Mark(mark, axis.at(time), MARKS[mark][0], words))
    if state.kind and ended > since:
        row.spans.append(Span(state.kind, axis.at(since), round(axis.at(ended) - axis.at(since), 2)))
    row.told = fewer(row.told)
    sent = [mark for mark in row.marks if mark.kind == "sent"]
    others = apart([mark for mark in row.marks if mark not in sent])
    starts = [span.left for span in row.spans if span.kind != "open"]
    crowded = [any(0 <= start - mark.left < CLOSE for start in starts) for mark in others]
    row.marks = apart(sent) + [replace(mark, before=full) for mark, full in zip(others, crowded, strict=True)]
    return row


def apart(marks: list[Mark]) -> list[Mark]:
    """Marks that would lie on each other become one with the signs of both; of many alike, their number."""
    groups: list[list[Mark]] = []
    for mark in marks:
        if groups and mark.left - groups[-1][0].left < len(signs(groups[-1])) * CLOSE:
            groups[-1].append(mark)
        else:
            groups.append([mark])
    return [Mark(group[-1].kind, group[0].left, signs(group), "; ".join(m.says for m in group[:3])) for group in groups]


def signs(marks: list[Mark]) -> str:
    alike = [(sign, len(list(run))) for sign, run in groupby(mark.sign for mark in marks)]
    return "".join(sign if count == 1 else f"{sign}\u00d7{count}" for sign, count in alike)


def mark_of(what: str, detail: str) -> str:
    if what == "ended":
        return "end of stream" if detail.startswith("end of stream") else "reset by server"
    return {"reset": "closed"}.get(what, what if what in MARKS else "")


def shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]} [... {len(text) - most} characters more]"


def fewer(told: list[tuple[str, str]], most: int = MOST_TOLD) -> list[tuple[str, str]]:
    """The first and the last lines of what would be a long list."""
    if len(told) <= most:
        return told
    half = most // 2
    return [*told[:half], ("", f"({plural(len(told) - 2 * half, 'more line')})"), *told[-half:]]


def lanes_of(story: Story, axis: Axis) -> list[Row]:
    """A lane for each thread that was seen, and in it what looks one after the other have found."""
    rows: dict[str, Row] = {}
    runs: dict[str, list[tuple[float, float, str]]] = {}
    for index, (time, lines) in enumerate(story.sights):
        again = index > 0 and story.sights[index - 1][1] == lines
        for line in lines:
            name, _, doing = line.partition(": ")
            rows.setdefault(name, Row(name))
            seen = runs.setdefault(name, [])
            if seen and seen[-1][2] == doing and (again or seen[-1][1] == story.sights[index - 1][0]):
                seen[-1] = (seen[-1][0], time, doing)
            else:
                seen.append((time, time, doing))
    for name, row in rows.items():
        row.told = fewer([(period(story, first, last), doing) for first, last, doing in runs[name]], 8)
        row.spans = segments(joined(runs[name]), axis)
    lanes = list(rows.values())
    if len(lanes) > MOST_LANES:
        lanes = [*lanes[:MOST_LANES], Row(f"{plural(len(lanes) - MOST_LANES, 'more thread')}, not shown")]
    return lanes


def segments(runs: list[tuple[float, float, str]], axis: Axis) -> list[Span]:
    """What a thread did, each with its words inside, or beside it where there is room for them."""
    places = [(axis.at(first), axis.at(last), doing) for first, last, doing in runs]
    found, taken = [], 0.0
    for index, (left, right, doing) in enumerate(places):
        following = places[index + 1][0] if index + 1 < len(places) else 100.0
        label = None
        if right - left < ROOM and following - right >= ROOM:
            label = (right, round(following - right, 2), "after")
        elif right - left < ROOM and left - taken >= ROOM:
            label = (taken, round(left - taken, 2), "before")
        taken = sum(label[:2]) if label and label[2] == "after" else right
        kind = "running" if doing == "running" else "asleep"
        found.append(Span(kind, left, round(right - left, 2), doing, label))
    return found


def period(story: Story, first: float, last: float) -> str:
    begin = duration(max(first - story.began, 0))
    return begin if last - first < 0.001 else f"{begin} to {duration(last - story.began)}"


def joined(runs: list[tuple[float, float, str]]) -> list[tuple[float, float, str]]:
    """Of a thread that goes round and round, the whole time in one."""
    if len(runs) <= MOST_SEGMENTS:
        return runs
    kinds = list(dict.fromkeys(doing for _, _, doing in runs))
    words = f"in turn: {', '.join(kinds[:3])}{' and more' if len(kinds) > 3 else ''}"
    return [(runs[0][0], runs[-1][1], words)]


def picture(story: Story, *, even: bool = False) -> Picture:
    of_client: dict[str, list[tuple[float, str, str]]] = {}
    for time, client, what, detail in story.events:
        of_client.setdefault(client, []).append((time, what, detail))
    moments = {event[0] for event in story.events}
    if not moments:
        moments = {time for time, _ in story.sights}
    axis = Axis(moments, story.began, story.ended, even=even)
    clients = [client_row(name, events, axis, story.began, story.ended) for name, events in of_client.items()]
    return Picture(
        clients,
        lanes_of(story, axis),
        axis.ticks(),
        axis.silences(),
        axis.WIDTH,
        story.left_out,
        len(axis.moments),
    )
