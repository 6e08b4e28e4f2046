"""What a client was answered, held against the rules of the contract; and whose fault it is, if a rule is broken.

A rule of one answer may be broken because of what else goes on: the bytes of another client's file, say. Then the
line of the scene is the one that it costs. A control tells: another server, which nobody has met before, is asked the
same alone. If it breaks a rule too, the line of that rule is what it costs.
"""

import time
from typing import TYPE_CHECKING

from grader import contract
from grader.client import ENOUGH, Client, Event, request
from grader.contract import Exchange, Violation
from grader.finding import CannotGrade, Finding

if TYPE_CHECKING:
    from grader.subject import Server

MOST_CAUSES = 100  # clients that are looked at
GATE = "answers"  # the line of the first check
NO_ANSWER = "answered"  # the rule that a request is answered at all


def exchange(server: "Server", client: Client, *, over: bool = False) -> Exchange:
    """All that has passed between this client and the server. over: nothing more will come."""
    diary = before_the_unasked(client)
    acts = {"connected", "sent", "all sent"}
    # What one who stopped reading takes later had been sent long before: the server may have been idle since then.
    acts |= {"received"} if all(event.what != "stops reading" for event in diary) else set()
    moments = [event.time for event in diary if event.what in acts]
    until = next((event.time for event in client.diary[len(diary) :] if event.what in ("received", "ended")), None)
    until = until or next((event.time for event in diary if event.what == "ended"), time.monotonic())
    last = max((moment for moment in moments if moment <= until), default=until)
    return Exchange(
        bytes(client.sent),
        tuple(client.replies),
        server.long,
        server.root,
        malformed=client.malformed,
        ended=client.ended if client.connected else "",
        half_closed=client.half_closed,
        over=over,
        pending=client.reader.pending,
        unbounded=client.reader.unbounded,
        idle=server.clock.between(last, until),
        asked=tuple(client.asked_at),
    )


def before_the_unasked(client: Client) -> list[Event]:
    """Its diary until an answer came that it had not asked for: by then it had been silent for so long."""
    words = [event.what for event in client.diary]
    if len(client.replies) <= client.asked or "replied" not in words:
        return client.diary
    at = len(words) - 1 - words[::-1].index("replied")
    while at and words[at - 1] == "received":
        at -= 1
    return client.diary[:at]


def violations(server: "Server", client: Client, *, over: bool = False, begin: int = 0) -> list[Violation]:
    """The rules that are broken so far for this client."""
    if len(client.sent) >= ENOUGH or (not client.sent and not client.ended) or client.urgent:
        return []
    return contract.judge(exchange(server, client, over=over), begin)


def unanswered(server: "Server", client: Client) -> Violation | None:
    """The request that this client waits for in vain, as a breach; None if nothing that it sent must be answered."""
    seen = exchange(server, client)
    number = len(seen.replies)
    if number >= len(seen.requests) or not contract.due(seen, number):
        return None
    line = contract.line_of(seen, number, unheard=True)
    return Violation(NO_ANSWER, line, f"an answer to {contract.what(seen.requests[number])}", "none", number)


def cause(server: "Server") -> tuple[Client, Violation] | None:
    """A breach of another line's rule by which any client here has suffered: what else fails may come of that."""
    for client in server.clients[:MOST_CAUSES]:
        for violation in violations(server, client):
            if violation.rule not in contract.OF_ONE_ANSWER and owner(server, client, violation):
                return client, violation
    return None


def is_to_end(server: "Server", client: Client) -> bool:
    """Whether the server is to end this connection by itself."""
    requests, _ = contract.cut(bytes(client.sent))
    return not server.long or any(request.closes for request in requests)


def owner(server: "Server", client: Client, violation: Violation) -> str:
    """The line that a breach costs: that of its rule, or "" for the one of the scene that shows it."""
    verdicts = server.verdicts
    if violation.line == verdicts.line or violation.line not in verdicts.lines:
        return ""
    if verdicts.line == GATE:  # nobody else has been there; what is no answer at all is the gate's own business
        return "" if violation.rule in (NO_ANSWER, "parse") else violation.line
    if violation.rule not in contract.OF_ONE_ANSWER:
        return violation.line
    if violation.rule == "ends" and violation.line in verdicts.lost:
        return violation.line  # asked alone, its head is in one piece: whether it ends may hang on that
    if line := alone(server, client, violation):
        return line
    if violation.rule == NO_ANSWER and client.half_closed:
        line = "half_close" if len(contract.cut(bytes(client.sent))[0]) == 1 else "pipelined_half_close"
        return line if line in verdicts.lines and line != verdicts.line else ""
    return ""


def shows_alone(server: "Server", client: Client, violation: Violation) -> bool:
    """Whether a breach of a line that nobody has asked for is there without this scene too, and not its own work."""
    if violation.line in server.verdicts.lines or violation.rule not in contract.OF_ONE_ANSWER:
        return True
    return bool(alone(server, client, violation))


def alone(server: "Server", client: Client, violation: Violation) -> str:
    """The line that is broken if the request at which a rule was broken is asked alone, "" if none is."""
    requests = contract.cut(bytes(client.sent))[0]
    if violation.number >= len(requests):
        return violation.line
    return control(server, requests[violation.number].head + b"\r\n\r\n")


def last_head(client: Client) -> bytes:
    """The head of the last whole request that it has sent, b"" without one."""
    requests = contract.cut(bytes(client.sent))[0]
    return requests[-1].head + b"\r\n\r\n" if requests else b""


def control(server: "Server", head: bytes) -> str:
    """The line whose rule is broken if another server is asked this alone, "" if none is. Asked once for all."""
    controls = server.verdicts.controls
    if head not in controls:
        controls[head] = asked_alone(server, head)
        if controls[head] and (plain := as_long(head)) and control(server, plain) == "long_head":
            controls[head] = "long_head"
    return controls[head]


def as_long(head: bytes) -> bytes:
    """A head as long as one that is long because of its target, which asks for a plain file; b"" for any other."""
    if len(contract.parse(head.removesuffix(b"\r\n\r\n")).target) <= contract.LONG:
        return b""
    plain = request("/page1.txt", headers=("X: ",))
    return plain.replace(b"X: ", b"X: " + b"x" * (len(head) - len(plain)))


def asked_alone(server: "Server", head: bytes) -> str:
    verdicts, grading = server.verdicts, server.grading
    stage, line = list(grading.stage), verdicts.line
    verdicts.line = ""  # what fails here belongs to no check
    try:
        with grading.started() as other:
            client = other.client()
            client.send(head)
            answered = other.until(client.done)
            if answered and not server.long:
                other.until(lambda: client.ended)
            found = violations(other, client, over=True)
            if not answered and not found and (missing := unanswered(other, client)):
                found = [missing]
            return found[0].line if found else ""
    except (Finding, CannotGrade):
        return ""
    finally:
        grading.stage[:], verdicts.line = stage, line
