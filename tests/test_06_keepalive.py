"""Step 6: as step 5, with long connections."""

from tests.checks import beside, clients, files, framing, life, long, model, patience, safety
from tests.checks.marks import points, stretch


@points(2)
def test_answers(grading):
    """It starts, listens, and answers a client."""
    life.answers(grading)


# The idea of this step


@points(5)
def test_hundred(server):
    """One connection serves 100 requests, one after the other, 404 among them."""
    long.hundred(server)


@points(5)
def test_lengths(server):
    """Every answer, whatever its status, carries a right Content-Length."""
    long.lengths(server)


@points(5)
def test_asked_to_close(server):
    """`Connection: close`, in any letter case, means: answer, then close."""
    long.closes_when_asked(server)


@points(2)
def test_close_after_all(server):
    """A large answer is complete before the connection that was to close is closed."""
    long.closes_after_big(server)


@points(3)
def test_not_asked_to_close(server):
    """The words `Connection: close` elsewhere in the head mean nothing."""
    long.closes_for_nothing_else(server)


@points(3)
def test_http10(server):
    """HTTP/1.0 means: answer, then close."""
    long.http10(server)


@points(3)
def test_pipelined(server):
    """Requests sent without waiting are all answered, in order."""
    long.pipelined(server)


@points(2)
def test_pipelined_pieces(server):
    """Pipelined requests may be cut into pieces anywhere."""
    long.pipelined_in_pieces(server)


@points(1)
def test_first_of_two(server):
    """A whole request is answered though half of the next is there."""
    long.first_of_two(server)


@points(1)
def test_pipelined_half_close(server):
    """Pipelined requests are answered though the client has ended its sending side."""
    long.pipelined_and_half_closed(server)


@points(1)
def test_pipelined_slowly(server):
    """Pipelined large answers reach a slow reader whole and in order."""
    long.pipelined_slowly_read(server)


@points(1)
def test_forgets_idle(server):
    """A client that leaves an idle connection is forgotten."""
    long.forgets_idle(server)


@points(2)
def test_one_thread(server):
    """One process, one thread."""
    model.one_process_one_thread(server)


@points(3)
def test_nonblocking(server):
    """The listener and the clients' sockets are non-blocking."""
    model.nonblocking_sockets(server)


@points(3)
def test_in_turn(server):
    """Each socket is asked in turn: no epoll, never asleep in select or poll."""
    model.asks_in_turn(server)


@points(4)
def test_stalled(server):
    """Fifty stalled clients delay nobody, and can finish in any order."""
    clients.delay_nobody(server, 50)


@points(4)
def test_stalled_readers(server):
    """Eight clients that have stopped reading in mid-answer delay nobody."""
    clients.readers_delay_nobody(server)


# Files, framing, safety, robustness: the same in every step


@points(2)
def test_contents(server):
    """A file is answered with 200 and exactly its bytes, whatever they are; an empty one too."""
    files.contents(server)


@points(2)
def test_large_file(server):
    """A file of several MiB arrives whole."""
    files.large(server)


@points(2)
def test_names(server):
    """A path is percent-decoded, once, as UTF-8."""
    files.names(server)


@points(1)
def test_queries(server):
    """A query, from the first `?` as sent, is dropped."""
    files.queries(server)


@points(1)
def test_folders(server):
    """A path that ends in `/` means the index.html in that folder."""
    files.folders(server)


@points(1)
def test_fresh_files(server):
    """A file made, changed or removed while the server runs is answered as it is now."""
    files.fresh(server)


@points(3)
def test_missing(server):
    """What is no readable regular file is 404, with a body that a person can read."""
    files.missing(server)


@points(3)
def test_outside(server):
    """Nothing outside the root is served, however the path is spelled."""
    safety.climbs(server)


@points(1)
def test_wandering(server):
    """A path that wanders and still ends inside the root is 200 or 404."""
    safety.wanders(server)


@points(2)
def test_links(server):
    """A symbolic link that leaves the root is 404."""
    safety.links(server)


@points(2)
def test_other_methods(server):
    """A method other than GET is answered 405 or 501."""
    safety.methods(server)


@points(2)
def test_junk(server):
    """A head that is no HTTP is answered 400, or the connection is closed."""
    safety.junk(server)


@points(3)
def test_pieces(server):
    """A request head may come in two pieces, cut anywhere."""
    framing.in_pieces(server)


@points(2)
def test_byte_by_byte(server):
    """A request head may come one byte at a time."""
    framing.byte_by_byte(server)


@points(2)
def test_long_head(server):
    """Heads of up to 8,192 bytes are served."""
    framing.long_head(server)


@points(2)
def test_endless_head(server):
    """A head that goes on past 64 KiB is cut off, and costs nobody else anything."""
    framing.endless_head(server)


@points(3)
def test_strict(server):
    """Every answer parses as HTTP by a strict parser, and what it says of its length is right."""
    framing.strict(server)


@points(1)
def test_library(server):
    """A library client uses one connection for all its requests."""
    long.library_reuses(server)


@points(2)
def test_half_close(server):
    """A client that ends its sending side after a whole request is answered."""
    safety.half_requests(server)


@points(2)
def test_slow_reader(server):
    """A slow reader gets every byte of a large file."""
    clients.slow_reader(server)


@points(2)
def test_vanishing(server):
    """Clients that vanish before or in mid-request leave nothing behind."""
    clients.vanish(server)


@points(2)
def test_reset_in_answer(server):
    """Clients that reset the connection in mid-answer leave nothing behind."""
    clients.reset_in_answer(server)


@points(1)
def test_no_leak(server):
    """Served clients leave no descriptor behind."""
    clients.nothing_piles_up(server)


@points(1)
def test_patience(grading):
    """A silent client is not given up before 60 seconds."""
    patience.patience(grading)


@points(1)
def test_command_line(grading):
    """`--host`, `--port` and `--root` are obeyed, and have their defaults."""
    life.command_line(grading)


@points(2)
def test_signals(grading):
    """SIGINT and SIGTERM end it without a traceback."""
    life.stops_on_signals(grading)


@points(2)
def test_restart(grading):
    """A new server can listen on the same port at once."""
    life.restarts(grading)


# Beside the points


@stretch
def test_ends_in_service(grading):
    """SIGINT and SIGTERM end it at once while clients are in service, and the port is free."""
    beside.ends_in_service(grading)


@stretch
def test_descriptors_run_out(grading):
    """It lives through a flood that takes all its descriptors, without spinning, and serves again."""
    beside.descriptors_run_out(grading)


@stretch
def test_idle_ends(grading):
    """Idle long connections are closed after the time-out that the server states."""
    beside.idle_ends(grading)
