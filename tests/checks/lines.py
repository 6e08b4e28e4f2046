"""The lines of the rubric: what each says, and the scenes that show it. A suite is a table of them.

A line is lost by what its scenes demand, and by whatever breaks its rules in any other scene: those of HTTP are in
`grader.contract`, what must hold of the server in every scene is in `watchers`.
"""

import inspect
import sys
from collections.abc import Callable

import pytest

from grader.subject import Server
from tests.checks import (
    beside,
    clients,
    files,
    flood,
    framing,
    generated,
    leaving,
    life,
    long,
    model,
    own,
    patience,
    safety,
    states,
    survival,
)

Scene = Callable[..., None]

STRETCH = 0  # points: reported beside the hundred
NUMBERS = {50: "Fifty", 100: "A hundred", 200: "Two hundred", 1000: "A thousand"}


class Line:
    """sentence: what must hold; `{count}` in it is how many clients the step asks for. scenes: functions of a running
    server or, if they start servers of their own (`starts`), of the grading. also: scenes of other lines that may show
    a breach of this one: they are played with it where not all the lines are."""

    def __init__(
        self,
        sentence: str,
        *scenes: Scene,
        starts: bool = False,
        also: tuple[Scene, ...] = (),
    ):
        self.sentence = sentence
        self.scenes = scenes
        self.starts = starts
        self.also = tuple(scene for scene in also if scene not in scenes)

    def says(self, count: int = 0) -> str:
        number = NUMBERS.get(count, f"{count:,}") if self.sentence.startswith("{") else f"{count:,}"
        return self.sentence.format(count=number) if "{count}" in self.sentence else self.sentence

    def play(self, stage: object, scale: dict[str, object], step: dict[str, object]) -> None:
        """All its scenes; each takes what it knows of the scale, which is this line's, and of what the step has."""
        for scene in self.scenes:
            play(scene, stage, step | scale)
        if (stage.grading if isinstance(stage, Server) else stage).partial:  # type: ignore[attr-defined]
            for scene in self.also:
                play(scene, stage, step)


def play(scene: Scene, stage: object, scale: dict[str, object]) -> None:
    known = inspect.signature(scene).parameters
    scene(stage, **{name: value for name, value in scale.items() if name in known})
    if isinstance(stage, Server):
        stage.leave()


#: Scenes that bring clients into every state, and those that send requests of every kind.
STATES = (model.while_it_answers, states.others_are_served, states.others_are_served_beside_readers)
REQUESTS = (framing.strict, framing.endless_head, generated.conversations, survival.odd_heads, survival.odd_values)

LINES = {
    "answers": Line("It starts, listens, and answers a client.", life.answers, starts=True),
    "one_thread": Line("One process, one thread.", model.one_process_one_thread, also=STATES),
    "one_at_a_time": Line(
        "While a client stalls, nobody else is answered; then all are.",
        model.one_at_a_time,
    ),
    "backlog": Line(
        "At least 64 clients wait in the backlog and are all served in the end.",
        model.backlog,
        also=(patience.minutes,),
    ),
    "end_of_stream": Line(
        "The client sees the end of the stream after the answer, without closing first.",
        framing.end_of_stream,
        also=REQUESTS,
    ),
    "contents": Line(
        "A file is answered with 200 and exactly its bytes, whatever they are; an empty one too.",
        files.contents,
        files.usual_lines,
        generated.sizes,
        files.usual_names,
        files.programs,
        files.sources,
        files.packed,
        files.kinds_of_sizes,
        also=REQUESTS,
    ),
    "large_file": Line(
        "A file of several MiB arrives whole.", files.large, files.even, also=(files.vast, files.kinds_of_sizes)
    ),
    "names": Line("A path is percent-decoded, once, as UTF-8.", files.names, generated.names, also=REQUESTS),
    "queries": Line("A query, from the first `?` as sent, is dropped.", files.queries, also=REQUESTS),
    "folders": Line("A path that ends in `/` means the index.html in that folder.", files.folders, also=REQUESTS),
    "fresh_files": Line(
        "A file made, changed or removed while the server runs is answered as it is now.",
        files.fresh,
        files.changes_in_mid_answer,
        also=(survival.thousand,),
    ),
    "missing": Line(
        "What is no readable regular file is 404, with a body that a person can read.",
        files.missing,
        files.pages_instead,
        also=(*REQUESTS, files.usual_lines),
    ),
    "outside": Line("Nothing outside the root is served, however the path is spelled.", safety.climbs, also=REQUESTS),
    "wandering": Line(
        "A path that wanders and still ends inside the root is 200 or 404.",
        safety.wanders,
    ),
    "links": Line(
        "A symbolic link that stays inside the root is served, one that leaves it is 404.", safety.links, also=REQUESTS
    ),
    "other_methods": Line("A method other than GET is answered 405 or 501.", safety.methods, also=REQUESTS),
    "junk": Line("A head that is no HTTP is answered 400, or the connection is closed.", safety.junk, also=REQUESTS),
    "pieces": Line("A request head may come in two pieces, cut anywhere.", framing.in_pieces, also=REQUESTS),
    "byte_by_byte": Line(
        "A request head may come one byte at a time.",
        framing.byte_by_byte,
    ),
    "long_head": Line("Heads of up to 8,192 bytes are served.", framing.long_head, generated.long_heads),
    "endless_head": Line(
        "A head that goes on past 64 KiB is cut off, and costs nobody else anything.",
        framing.endless_head,
    ),
    "strict": Line(
        "Every answer parses as HTTP by a strict parser, and what it says of its length is right.",
        framing.strict,
        generated.conversations,
        also=(*REQUESTS, files.names, files.even),
    ),
    "library": Line("A library client gets its answers, where connections are long all on one.", long.library),
    "half_close": Line(
        "A client that ends its sending side after a whole request is answered.",
        safety.half_requests,
    ),
    "slow_reader": Line(
        "A slow reader gets every byte of a large file.",
        clients.slow_reader,
        also=(states.others_are_served_beside_readers,),
    ),
    "vanishing": Line(
        "Clients that vanish before or in mid-request leave nothing behind.",
        leaving.vanishing,
        also=(*STATES, survival.thousand, patience.minutes),
    ),
    "reset_in_answer": Line(
        "Clients that reset the connection in mid-answer leave nothing behind.",
        leaving.reset_in_answer,
        files.vast,
    ),
    "no_leak": Line(
        "Served clients leave no descriptor behind.",
        leaving.no_leak,
        also=(*STATES, survival.thousand, survival.odd_heads),
    ),
    "patience": Line(
        "A silent client is not given up before 60 seconds.",
        patience.patience,
        starts=True,
        also=(patience.minutes, survival.while_one_is_silent),
    ),
    "command_line": Line(
        "`--host`, `--port` and `--root` are obeyed, and have their defaults.",
        life.command_line,
        starts=True,
    ),
    "signals": Line(
        "SIGINT and SIGTERM end it without a traceback.",
        life.stops_on_signals,
        starts=True,
    ),
    "restart": Line("A new server can listen on the same port at once.", life.restarts, starts=True),
    "goes_on": Line(
        "Whatever a client sends or does, the next one is served.",
        survival.odd_heads,
        survival.odd_values,
        survival.pipeline,
        survival.beside_who_leaves,
        patience.minutes,
    ),
    "thousand": Line("After a thousand clients, and requests, it serves as after one.", survival.thousand),
    "flood": Line("One client that sends without end, as fast as it can, delays nobody.", flood.delays_nobody),
    "output_closed": Line("It serves though nobody reads what it prints.", survival.output_closed, starts=True),
    "none_to_be_had": Line(
        "It lives when there is no process or thread to be had, and serves again when there is one.",
        survival.none_to_be_had,
        starts=True,
    ),
    "ends_in_service": Line(
        "SIGINT and SIGTERM end it at once while clients are in service, and the port is free.",
        beside.ends_in_service,
        starts=True,
    ),
    "own_processes": Line(
        "Fifty stalled clients are each served by a process of its own.",
        model.own_processes,
        own.nobody_by_the_parent,
        also=STATES,
    ),
    "stalled": Line(
        "{count} stalled clients delay nobody, and can finish in any order.",
        clients.delay_nobody,
        clients.all_at_once,
        clients.come_at_once,
        clients.from_one_port,
        states.others_are_served,
        clients.long_heads_delay_nobody,
    ),
    "stalled_readers": Line(
        "Eight clients that have stopped reading in mid-answer delay nobody.",
        clients.readers_delay_nobody,
        states.others_are_served_beside_readers,
    ),
    "parent_lets_go": Line(
        "The serving child holds the client's socket, and the parent does not.", model.parent_lets_go, also=STATES
    ),
    "parent_descriptors": Line(
        "The parent's descriptors are back when the children are done.",
        leaving.parent_descriptors,
    ),
    "zombies_in_a_row": Line(
        "Dead children do not pile up after 30 clients in a row.",
        leaving.zombies_in_a_row,
    ),
    "zombies_at_once": Line(
        "Dead children do not pile up after 44 clients at once.",
        leaving.zombies_at_once,
    ),
    "processes_return": Line(
        "Processes end with their clients.",
        leaving.processes_return,
    ),
    "own_threads": Line(
        "One process, and a thread for each of fifty stalled clients.",
        model.own_threads,
        own.nobody_by_the_main_thread,
        model.while_it_answers,
        also=STATES,
    ),
    "threads_return": Line("Threads end with their clients.", leaving.threads_return),
    "descriptors_run_out": Line(
        "It lives through a flood that takes all its descriptors, without spinning, and serves again.",
        beside.descriptors_run_out,
        starts=True,
    ),
    "one_os_thread": Line(
        "One process, and with a hundred stalled clients no more threads than gevent's few helpers.",
        model.one_os_thread,
        own.no_thread_for_an_answer,
        model.threads_of_readers,
        also=STATES,
    ),
    "gevent": Line("gevent does the switching.", model.gevent_loaded),
    "nonblocking": Line(
        "The listener and the clients' sockets are non-blocking.", model.nonblocking_sockets, also=STATES
    ),
    "in_turn": Line(
        "Each socket is asked in turn: no epoll, never asleep in select or poll.",
        model.asks_in_turn,
        model.naps_are_short,
        also=(*STATES, patience.crowd),
    ),
    "hundred": Line(
        "One connection serves 100 requests, one after the other, 404 among them.", long.hundred, also=REQUESTS
    ),
    "lengths": Line(
        "Every answer, whatever its status, carries a right Content-Length.",
        long.lengths,
        also=(*REQUESTS, patience.minutes),
    ),
    "asked_to_close": Line(
        "`Connection: close`, in any letter case, means: answer, then close.", long.closes_when_asked, also=REQUESTS
    ),
    "close_after_all": Line(
        "A large answer is complete before the connection that was to close is closed.",
        long.closes_after_big,
    ),
    "not_asked_to_close": Line(
        "The words `Connection: close` elsewhere in the head mean nothing.", long.closes_for_nothing_else, also=REQUESTS
    ),
    "http10": Line("HTTP/1.0 means: answer, then close.", long.http10, also=REQUESTS),
    "pipelined": Line(
        "Requests sent without waiting are all answered, in order.",
        long.pipelined,
        also=(*REQUESTS, survival.pipeline),
    ),
    "pipelined_pieces": Line(
        "Pipelined requests may be cut into pieces anywhere.",
        long.pipelined_in_pieces,
    ),
    "first_of_two": Line(
        "A whole request is answered though half of the next is there.",
        long.first_of_two,
    ),
    "pipelined_half_close": Line(
        "Pipelined requests are answered though the client has ended its sending side.",
        long.pipelined_and_half_closed,
    ),
    "pipelined_slowly": Line(
        "Pipelined large answers reach a slow reader whole and in order.",
        long.pipelined_slowly_read,
        long.pipelined_until_full,
        also=(states.others_are_served_beside_readers,),
    ),
    "forgets_idle": Line(
        "A client that leaves an idle connection is forgotten.",
        leaving.forgets_idle,
    ),
    "idle_ends": Line(
        "Idle long connections are closed after the time-out that the server states.",
        beside.idle_ends,
        starts=True,
    ),
    "sleeps_in_epoll": Line("The thread sleeps in epoll.", model.sleeps_in_epoll, model.never_naps, also=STATES),
    "watches": Line(
        "epoll watches the listener and {count} stalled clients, and none that has left.",
        model.watches_everyone,
        also=STATES,
    ),
    "idle": Line(
        "{count} stalled clients and no traffic use no CPU, nor does a server without clients.", model.idle, also=STATES
    ),
    "idle_readers": Line("Clients that do not read use no CPU.", model.idle_readers, also=STATES),
    "idle_after_resets": Line(
        "Clients that have reset their connections use no CPU.", model.idle_after_resets, also=STATES
    ),
    "burst": Line("Clients that come all at once are all served.", model.burst),
    "idle_crowd": Line(
        "{count} idle connections stay usable and delay nobody.",
        long.idle_crowd,
    ),
    "ten_thousand": Line("It holds 10,000 idle connections.", beside.ten_thousand, starts=True),
}


class Suite:
    """Puts a test for each line into the module of a step: what pytest collects, in this order.

    step: what all its scenes are told, if they ask: `alone`, it serves one client at a time; `leaves`,
    the lines that it costs what clients leave behind.
    """

    def __init__(self, module: dict[str, object], **step: object):
        self.module = module
        self.step = step

    def __call__(self, name: str, points: int, **scale: object) -> None:
        """scale: what the step asks for more: how many clients, one at a time, long connections."""
        line = LINES[name]

        def with_server(server: Server) -> None:
            line.play(server, scale, self.step)

        def with_grading(grading: object) -> None:
            line.play(grading, scale, self.step)

        test = with_grading if line.starts else with_server
        where = sys._getframe(1)  # a test is where its line is: there an editor shows what came of it
        test.__code__ = test.__code__.replace(co_filename=where.f_code.co_filename, co_firstlineno=where.f_lineno)
        test.__name__ = test.__qualname__ = f"test_{name}"
        test.__module__ = str(self.module["__name__"])
        test.__doc__ = line.says(int(str(scale.get("count", 0))))
        test.scenes = line.scenes  # type: ignore[union-attr]  # for grader.playing to read, and so is this
        test.clients = int(str(scale.get("count", 0)))  # type: ignore[union-attr]
        mark = pytest.mark.points(points) if points else pytest.mark.stretch
        self.module[f"test_{name}"] = mark(test)
