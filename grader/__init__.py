"""The machine behind the tests: it starts a server, is its clients, and asks the kernel what it does."""

import os
from pathlib import Path

#: The steps of the kata in their order; `NN_name/server.py` is what a submission holds for each.
STEPS = (
    "01_blocking",
    "02_multiprocess",
    "03_multithread",
    "04_gevent",
    "05_nonblocking",
    "06_keepalive",
    "07_epoll",
    "08_epoll_keepalive",
)


OWN = Path(__file__).resolve().parent.parent / "steps"  # the learner's submission
PATIENCE = "EIGHT_SERVERS_PATIENCE"


def patience_factor() -> float:
    """What EIGHT_SERVERS_PATIENCE multiplies every deadline by; 1 if it is no number above 0 (see `bad_patience`)."""
    try:
        factor = float(os.environ.get(PATIENCE) or "1")
    except ValueError:
        return 1.0
    return factor if 0 < factor < 1000 else 1.0


def bad_patience() -> str:
    """Why EIGHT_SERVERS_PATIENCE cannot be obeyed, in a line that says what to do; "" if it can."""
    text = os.environ.get(PATIENCE) or "1"
    try:
        good = 0 < float(text) < 1000
    except ValueError:
        good = False
    return "" if good else f"{PATIENCE} has to be a number above 0: 2 doubles every deadline."
