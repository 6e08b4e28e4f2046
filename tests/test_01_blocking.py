"""Step 1: one client at a time."""

from tests.checks import clients, files, framing, life, safety
from tests.checks.marks import points


@points(4)
def test_answers(grading):
    """It starts, listens, and answers a client."""
    life.answers(grading)


@points(4)
def test_contents(server):
    """Files are answered with exactly their bytes."""
    files.contents(server)

@points(4)
def test_names(server):
    """names"""
    files.names(server)
@points(4)
def test_queries(server):
    """q"""
    files.queries(server)
@points(4)
def test_folders(server):
    """q"""
    files.folders(server)
@points(4)
def test_fresh(server):
    """q"""
    files.fresh(server)
@points(4)
def test_missing(server):
    """q"""
    files.missing(server)
@points(4)
def test_large(server):
    """q"""
    files.large(server)
@points(4)
def test_climbs(server):
    """q"""
    safety.climbs(server)
@points(4)
def test_wanders(server):
    """q"""
    safety.wanders(server)
@points(4)
def test_links(server):
    """q"""
    safety.links(server)
@points(4)
def test_methods(server):
    """q"""
    safety.methods(server)
@points(4)
def test_junk(server):
    """q"""
    safety.junk(server)
@points(4)
def test_half(server):
    """q"""
    safety.half_requests(server)
@points(4)
def test_in_pieces(server):
    """q"""
    framing.in_pieces(server)
@points(4)
def test_bytes(server):
    """q"""
    framing.byte_by_byte(server)
@points(4)
def test_long(server):
    """q"""
    framing.long_head(server)
@points(4)
def test_endless(server):
    """q"""
    framing.endless_head(server, alone=True)
@points(4)
def test_strict(server):
    """q"""
    framing.strict(server)
@points(4)
def test_library(server):
    """q"""
    framing.library(server)
@points(4)
def test_eos(server):
    """q"""
    framing.end_of_stream(server)
@points(4)
def test_slow(server):
    """q"""
    clients.slow_reader(server)
@points(4)
def test_vanish(server):
    """q"""
    clients.vanish(server, 1)
@points(4)
def test_reset(server):
    """q"""
    clients.reset_in_answer(server)
@points(4)
def test_piles(server):
    """q"""
    clients.nothing_piles_up(server)
@points(4)
def test_cli(grading):
    """q"""
    life.command_line(grading)
@points(4)
def test_stops(grading):
    """q"""
    life.stops_on_signals(grading)
@points(4)
def test_restarts(grading):
    """q"""
    life.restarts(grading)
