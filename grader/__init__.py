"""The machine behind the tests: it starts a server, is its clients, and asks the kernel what it does."""

import os

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


def patience_factor() -> float:
    """What EIGHT_SERVERS_PATIENCE multiplies every deadline by. Raises ValueError if it is no number above 0."""
    text = os.environ.get("EIGHT_SERVERS_PATIENCE") or "1"
    factor = float(text)
    if not 0 < factor < 1000:
        raise ValueError(text)
    return factor
