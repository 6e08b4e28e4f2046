"""The machine behind the tests: it starts a server, is its clients, and asks the kernel what it does."""

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
