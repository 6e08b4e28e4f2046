"""The one loop that waits: until a state holds, or waiting is proven useless, or the patience is gone.

Nothing else in the grader sleeps. Patience is a deadline for a server that does nothing at all: every
change that matters starts it anew, and only a broken server reaches it. The variable
EIGHT_SERVERS_PATIENCE multiplies it (2 on a machine that is choked, say).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from grader import patience_factor
from grader.proof import Prover, Sockets

PATIENCE = 30.0 * patience_factor()  # seconds
LIMIT = 10 * PATIENCE  # seconds: for a server that always does something and never the thing waited for
AFTER_A_STEP = 0.1  # of the patience, for a server whose clock has been set forward at the deadline
SHORTEST, LONGEST = 0.0005, 0.02  # seconds between two looks at the state


class Watched(Protocol):
    """What the loop needs of a server under test."""

    prover: Prover

    def pump(self, seconds: float) -> None: ...
    def matters(self) -> object: ...
    def gone(self) -> bool: ...


@dataclass(frozen=True)
class Outcome:
    """How a wait ended. `why` is empty if the state holds."""

    held: bool
    why: str = ""
    proven: bool = False

    def __bool__(self) -> bool:
        return self.held


def wait_for(condition: Callable[[], object], nap: float = LONGEST) -> None:
    """Wait for something on this machine that no verdict rests on."""
    while not condition():
        time.sleep(nap)


def wait(
    server: Watched,
    condition: Callable[[], object],
    patience: float = PATIENCE,
    *,
    facts: Callable[[], Sockets | None] | None,
    limit: float = LIMIT,
) -> Outcome:
    """Wait until condition() is true. facts: what the prover must know to end it early; None: no proof is tried.
    limit: seconds after which it is given up though something changes all the time.

    The condition is asked again after every proof, so that it is never called false of a state in
    which it held. What is waited for must be absorbing: once true, it stays true by itself.
    """
    begin = renewed = time.monotonic()
    more = 0.0  # seconds of patience
    nap, next_look = 0.0, begin + 0.01  # at first without a nap: most of what is waited for is there already
    matter: object = None
    server.prover.reset()
    while True:
        server.pump(nap)
        if condition():
            return Outcome(True)
        if server.gone():
            server.pump(0)
            held = bool(condition())
            return Outcome(held, "" if held else "the server has ended", True)
        now = time.monotonic()
        if now >= next_look:
            changed = server.matters()
            if changed != matter:
                matter, renewed, more = changed, now, 0.0
                server.prover.reset()
            left = patience - (now - renewed)
            why = facts and server.prover.check(facts, now=now, patience=max(left, 0.0))
            if why:
                server.pump(0)
                held = bool(condition())
                return Outcome(held, "" if held else why, True)
            late = left + more <= 0 or now - begin > limit
            if late and not (facts and server.prover.rounds.busy()):
                if left + more <= 0 and facts and server.prover.rounds.forward():
                    more += patience * AFTER_A_STEP
                elif left + more <= 0:
                    passed = f"{now - renewed:.0f} s in which nothing changed{server.prover.rounds.on_its_clock}"
                    return Outcome(False, f"the deadline has passed: {passed}")
                else:
                    return Outcome(False, f"the deadline has passed: {now - begin:.0f} s, and this did not come")
            # A look may cost more than a nap: never spend more than a third of the time looking.
            next_look = now + max(0.01, 2 * (time.monotonic() - now))
        nap = min(max(nap * 1.5, SHORTEST), LONGEST)
