"""How long a grade may take, whatever the submission does: what is left after that is not judged."""

import signal
import time
from types import FrameType

from grader import patience_factor

SECONDS = 1200.0 * patience_factor()  # for a step: a hundred times what one takes on two processors of their own
GRACE = 30.0 * patience_factor()  # seconds more, for what does not wait in the one loop, before it is broken off

END_WITHIN = 30.0 * patience_factor()  # seconds: who is killed and lives on is in the kernel's hands, or is not ours


class OutOfTime(BaseException):
    """The budget is spent. No check is to take this for anything else, so it is no Exception."""


class Budget:
    """So many seconds from now on."""

    def __init__(self, seconds: float = SECONDS):
        self.seconds = seconds
        self.end = time.monotonic() + seconds
        self.before: object = signal.SIG_DFL  # what was done at SIGALRM

    @property
    def left(self) -> float:
        return self.end - time.monotonic()

    @property
    def spent(self) -> bool:
        return self.left <= 0

    @property
    def why(self) -> str:
        return f"out of time: the grade's budget of {self.seconds:g} s was spent (--budget)"

    def check(self) -> None:
        """Raises OutOfTime if it is spent."""
        if self.spent:
            raise OutOfTime(self.why)

    def set_alarm(self, most: float) -> None:
        """Break off whatever the main thread does after so many seconds, or soon after the budget's end."""
        seconds = min(most, max(self.left, 0.0) + GRACE)

        def ring(_number: int, _frame: FrameType | None) -> None:
            raise OutOfTime(self.why if self.spent else f"it took more than {most:.0f} s, which no check does")

        self.before = signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, seconds, GRACE)  # again, if there is another thing that has no end

    def cancel_alarm(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self.before)  # type: ignore[arg-type]
