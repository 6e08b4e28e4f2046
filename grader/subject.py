"""The server under test as the checks see it: clients to send, facts to ask, verdicts to demand."""

import re
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from grader import by_hand, evidence, holdings, judge, questions, waiting
from grader.client import Client, request
from grader.contract import Violation
from grader.facts import Facts
from grader.finding import Finding
from grader.launch import Launch
from grader.proof import Rest, look
from grader.questions import Questions
from grader.reply import NONE, Reply, counted, difference
from grader.rounds import AFTER_THE_FIRST
from grader.story import Cast
from grader.timers import RECEIVE
from grader.verdicts import Verdicts
from grader.waiting import Outcome

if TYPE_CHECKING:
    from grader.grading import Grading

A_WHILE = 0.1  # seconds: a loop with a nap in it sleeps many times
UNHEARD = re.compile("nobody has accepted it|has not read")
RESTING = re.compile("use of CPU|sleeps in epoll")
ENOUGH_TO_SETTLE = 0.05, 0.2  # of the turns and of the CPU time that a verdict asks for: none rests on it


def has_none(client: Client) -> bool:
    """Whether it has no answer, or none to the last that it asked."""
    return not client.replies or len(client.replies) < client.asked


class Server(Facts):
    """One started server. `long` tells whether its step keeps connections open (contract, section 4)."""

    def __init__(self, launch: Launch, grading: "Grading"):
        super().__init__(launch, grading.root)
        self.grading = grading
        self.long = grading.long
        self.verdicts: Verdicts = grading.verdicts
        self.notes = grading.notes  # what costs no points, and is to be said beside the check that runs
        self.spoiled = False  # it does not serve any more, which is known of this submission
        self.watching = ""  # the watcher that is looking: one that waits is not asked again
        self.told: list[str] = []
        self.had = 0  # clients, in all
        self.begin_story()

    def begin_story(self) -> None:
        """A check begins: what is told of it begins here too."""
        self.told.clear()
        self.named = 0
        self.printed_before = self.launch.output.printed()
        self.began, self.failed_at = time.monotonic(), 0.0
        self.scene = ""  # the line that what fails now costs, if it is not the check's own
        self.cast = Cast()
        self.prover.sights.clear()

    # What the clients do

    @property
    def address(self) -> tuple[str, int]:
        """Where a client reaches it: a listener on every address is reached at the one asked for."""
        host, port = self.listener.address
        if "--host" in self.launch.arguments and host in ("0.0.0.0", "::"):
            host = self.launch.arguments[self.launch.arguments.index("--host") + 1]
        return host.removeprefix("::ffff:"), port

    def did(self, sentence: str, *, again: bool = False) -> None:
        """One sentence of the failure's story. again: in place of the last, which went well, of the same kind."""
        if again and self.told:
            self.told.pop()
        self.told.append(sentence)

    def client(
        self, *, window: int = 0, name: str = "", wait: bool = True, source: tuple[str, int] | None = None
    ) -> Client:
        """A new connection, made before anything else goes on unless told not to wait. source: from that address."""
        self.named += 1
        self.had += 1
        name = name or f"client #{self.named}"
        client = Client(name, self.address, self.hot, window=window, source=source, kept=self.kept)
        self.clients.append(client)
        self.peers.add(client.local)
        self.cast.enter(client)
        self.by_descriptor[client.socket.fileno()] = client
        self.arrivals.register(client.socket, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
        if wait and not client.connected:
            self.must(lambda: client.connected, f"{client.name} connects", clients=[client])
        return client

    def ask(self, target: str, **options: object) -> Client:
        """A new client that has sent one whole request."""
        client = self.client()
        client.send(request(target, **options))  # type: ignore[arg-type]
        return client

    def get(self, target: str, **options: object) -> Reply:
        """What a new client gets for one GET; it has left when this returns."""
        client = self.ask(target, **options)
        reply = self.reply(client)
        self.leave(client)
        return reply

    def leave(self, *clients: Client) -> None:
        """Close these clients, or all that there are; what they were answered is looked at before."""
        for client in clients or tuple(self.clients):
            self.check(client)
            client.close()
        self.bury()
        if "backlog" in self.verdicts.lost:  # who comes before the next accept() would be turned away
            self.come_to_rest()

    def bury(self) -> None:
        self.departed += [client for client in self.clients if client.closed]
        self.clients = [client for client in self.clients if not client.closed]

    def close_clients(self) -> None:
        """Close all that are left, and look at nothing."""
        for client in self.clients:
            client.close()
        self.bury()

    # The rules of the contract

    def check(self, client: Client, *, over: bool = False) -> bool:
        """Hold what this client was answered against the rules. Raises Finding; False if a rule is known as broken."""
        if client.closed or not self.verdicts.line:
            return True
        found = judge.violations(self, client, over=over, begin=client.checked)
        client.checked = len(client.replies)
        if found and client.ended and self.comes(self.gone, 1):
            return True  # what a server that has ended did not do is told where its end is
        for violation in found:
            if self.verdicts.judges(violation.line, violation.rule):
                self.fail(violation.expected, violation.saw, clients=[client], broken=violation)
        return not found

    def see_out(self, client: Client) -> None:
        """Wait until nothing more can come for this client, and hold all of it against the rules."""
        if judge.is_to_end(self, client):
            self.until(lambda: client.ended or client.malformed)
        else:
            self.settle(lambda: self.has_read(client))
            self.come_to_rest(turns=2)
        self.check(client, over=True)

    def watch(self, moment: str) -> None:
        """Ask each watcher what must hold at every such moment: "rest", "over"."""
        if self.watching or self.gone():
            return
        try:
            for watcher in self.grading.watchers:
                if watcher.moment == moment and self.verdicts.judges(watcher.line, watcher.name):
                    self.watching = watcher.name
                    watcher.look(self)
        finally:
            self.watching = ""

    # Waiting

    def take_turn(self, client: Client | None = None) -> None:
        """Whoever waits comes by here. Raises OutOfTime."""
        self.grading.budget.check()
        super().take_turn(client)

    def until(
        self,
        condition: Callable[[], object],
        patience: float = waiting.PATIENCE,
        *,
        verdict: bool = True,
        lasting: bool = False,
    ) -> Outcome:
        """verdict: one may rest on it. Only then is the server's clock set forward, and who computes waited for.
        lasting: see Prover.demand."""
        self.prover.demand(AFTER_THE_FIRST if self.verdicts.caught else 1.0, verdict=verdict, lasting=lasting)
        return waiting.wait(self, condition, patience, facts=self.sockets_for_proof, limit=self.limit)

    def comes(self, condition: Callable[[], object], seconds: float) -> bool:
        """Whether something that should not come does come, before the server is at rest or so long after."""
        self.prover.demand(*ENOUGH_TO_SETTLE, verdict=False, doubtful=True)
        return bool(waiting.wait(self, condition, seconds, facts=self.sockets_as_they_are))

    def wait_out(self, condition: Callable[[], object], seconds: float) -> Outcome:
        """Let time pass, for a timer of the server's that is known to run, or until the condition holds."""
        return waiting.wait(self, condition, seconds, facts=None)

    def settle(self, condition: Callable[[], object]) -> bool:
        """Wait for a state that makes a check sharper and that no verdict rests on.

        A correct server may never show it (one that peeks leaves bytes unread): it ends when the server has
        come to rest, and after the first wait in vain the others are short.
        """
        self.prover.demand(*ENOUGH_TO_SETTLE, verdict=False, doubtful=True)
        patience = waiting.PATIENCE / (30 if self.verdicts.unsettled else 6)
        settled = bool(waiting.wait(self, condition, patience, facts=self.sockets_as_they_are))
        self.verdicts.unsettled = self.verdicts.unsettled or not settled
        return settled

    @property
    def patience(self) -> float:
        """Seconds without any change after which the deadline decides."""
        return waiting.PATIENCE * (AFTER_THE_FIRST if self.verdicts.caught else 1.0)

    @property
    def limit(self) -> float:
        """Seconds in which something changes all the time, and never to what is waited for."""
        return waiting.LIMIT * (AFTER_THE_FIRST if self.verdicts.caught else 1.0)

    def must(
        self,
        condition: Callable[[], object],
        expected: str,
        *,
        clients: list[Client] | None = None,
        saw: Callable[[], str] | str = "",
        look_at: Questions = "",
        costs: str = "",
        amiss: Callable[[Client], bool] | None = None,
    ) -> None:
        """Demand a state. Raises Finding if it does not come to hold. amiss: see `fail`."""
        outcome = self.until(condition, self.patience)
        if not outcome:
            at_once = self.gone() or (outcome.proven and self.prover.at_rest)
            self.verdicts.caught = self.verdicts.caught or not at_once
            seen = saw() if callable(saw) else saw
            if not seen:
                watched = clients if clients is not None else [c for c in self.clients if not c.replies][-3:]
                seen = "; ".join(evidence.state_of(client, self.launch) for client in watched)
            self.fail(expected, seen, how=outcome.why, look_at=look_at, clients=clients, costs=costs, amiss=amiss)

    def fail(
        self,
        expected: str,
        saw: str,
        *,
        how: str = "",
        look_at: Questions = "",
        clients: list[Client] | None = None,
        broken: Violation | None = None,
        costs: str = "",
        amiss: Callable[[Client], bool] | None = None,
    ) -> None:
        """Raise a Finding with all the evidence of this moment, unless it is the breach of another line and known.

        Where a connection has ended, the server may be about to end too, which is what matters then. broken: the rule
        of the contract that this is a breach of, if it is not to be found out. costs: the line, if no HTTP rule.
        amiss: whether what a client has, who sent what the first of `clients` sent, is wrong whatever others do.
        """
        if any(words in saw for words in ("a reset", "end of the stream", "could not connect", "Connection")):
            self.comes(self.gone, 1)
        if costs and not self.verdicts.judges(costs, self.watching or costs):
            return  # it is known already, or not asked for
        suffered = None if broken or costs or self.gone() or not self.verdicts.line else judge.cause(self)
        if suffered:
            client, broken = suffered
            expected, saw, clients, how, look_at = broken.expected, f"{client.name}: {broken.saw}", [client], "", ""
        self.failed_at = time.monotonic()
        before = look(self.launch.proc, self.launch.family)
        self.prover.sights.note(self.failed_at, before.tasks)
        named = [client for client in self.known if f"{client.name} " in f"{saw} {expected} ".replace(":", " ")]
        self.cast.keep([*(clients or []), *named])
        moment = evidence.Moment(self.launch, self.known, before=before, ask=True)
        give_up = time.monotonic() + 1
        waiting.wait_for(lambda: not self.launch.output.behind() or time.monotonic() > give_up, 0.001)
        printed = self.launch.output.text(self.printed_before)
        line = moment.matters
        loops = bool(UNHEARD.search(saw)) and "flood" not in saw and self.goes_round()
        about_the_end = "end of the" in expected or "held by" in saw
        cause = moment.cause(printed, clients or self.clients if about_the_end else [])
        cause = cause or holdings.neglected(self, clients or [], resting=bool(RESTING.search(expected)))
        seen = f"{saw}; {cause}" + "; the server has ended" * self.gone() + f"; {questions.LOOPS}" * loops
        rule = broken.rule if broken else self.watching
        if not costs and clients and self.verdicts.line:
            costs, rule = self.whose(clients[0], broken)
        if not costs and self.scene:
            costs = rule = self.scene
        if about_the_end or rule == judge.NO_ANSWER:
            self.verdicts.unanswered |= {judge.last_head(client) for client in clients or []}
        refused = any(client.ended == "refused" for client in clients or [])
        if (self.gone() or refused) and self.verdicts.line:
            end = evidence.the_end(self.launch) if self.gone() else "refused"
            who = "backlog" if end == "refused" and "backlog" in self.verdicts.lines else costs or self.verdicts.line
            first = self.verdicts.ends.setdefault(end, who)
            if first != (costs or self.verdicts.line):
                costs, rule = first, end
        fault = by_hand.Fault(clients[0], expected, broken, amiss) if clients else None
        raise Finding(
            expected=expected,
            saw=saw or "nothing of the kind",
            did=list(self.told),
            how=how,
            stood=moment.words(),
            cause=cause,
            line=line.number if line and line.file == "server.py" else 0,
            look_at=questions.choose(seen, look_at or questions.RULES.get(rule, ""), raised="traceback" in cause),
            repeat=by_hand.line(self, expected, saw, fault),
            printed=printed[-2000:],
            costs=costs,
            rule=rule or costs,
        )

    def goes_round(self) -> bool:
        """Whether the main thread runs and has not slept for a while: it is in a loop that asks nobody else."""
        looks = [self.launch.proc.task(self.main, self.main)]
        spent = [self.launch.proc.spent_by_living(self.main)]
        time.sleep(A_WHILE)
        looks.append(self.launch.proc.task(self.main, self.main))
        spent.append(self.launch.proc.spent_by_living(self.main))
        runs = [task.voluntary for task in looks if task and task.state == "R"]
        used = [each.nanoseconds for each in spent if each]
        return len(runs) == 2 and runs[0] == runs[1] and len(set(used)) == 2

    def whose(self, client: Client, broken: Violation | None) -> tuple[str, str]:
        """The line that a failure of this client costs, "" for that of the check, and the rule that is broken."""
        if self.gone() and broken is None:
            return "", ""
        if broken is None:
            found = judge.violations(self, client)
            news = (each for each in found if self.verdicts.judges(each.line, each.rule))
            broken = next(news, found[0]) if found else judge.unanswered(self, client)
        return (judge.owner(self, client, broken), broken.rule) if broken else ("", "")

    # What a client is answered

    def reply(self, client: Client, expected: str = "a complete answer", look_at: Questions = "") -> Reply:
        """The next answer of this client, which it has not been asked for before; NONE if that is known as broken."""
        taken = client.taken

        def whole() -> object:
            return len(client.replies) > taken or client.malformed or client.ended

        self.ask_for_the_end(client, whole)
        self.must(
            whole,
            f"{expected} for {client.name}",
            clients=[client],
            look_at=look_at,
            amiss=has_none,
        )
        if len(client.replies) <= taken and self.has_cost_its_line(client) and not self.comes(self.gone, 1):
            return NONE
        if len(client.replies) <= taken:
            saw = evidence.state_of(client, self.launch)
            self.fail(f"{expected} for {client.name}", saw, clients=[client], look_at=look_at, amiss=has_none)
        client.taken += 1
        return client.replies[taken]

    def hears(self, client: Client) -> None:
        """Wait until this client has an answer, or will get none. Raises Finding if none comes that must."""
        if not self.until(client.done, self.patience) and (missing := judge.unanswered(self, client)):
            saw = evidence.state_of(client, self.launch)
            self.fail(f"{missing.expected} for {client.name}", saw, clients=[client], broken=missing)

    def ask_for_the_end(self, client: Client, whole: Callable[[], object]) -> None:
        """Of a server that is known to state no length: a client that half-closes sees where its answer ends."""
        if "lengths" in self.verdicts.lost and not self.until(whole, self.patience) and client.reader.unbounded:
            client.half_close()

    def known_as_broken(self, client: Client) -> bool:
        """Whether what is wrong with this client's answer has been counted already, at its own line."""
        found = judge.violations(self, client)
        return bool(found) and not any(
            self.verdicts.judges(each.line, each.rule) or not judge.shows_alone(self, client, each) for each in found
        )

    def has_cost_its_line(self, client: Client) -> bool:
        """Whether all that is wrong with this client's answer has cost another line in this run already."""
        found = judge.violations(self, client)
        return bool(found) and all((each.line, each.rule) in self.verdicts.muted for each in found)

    def serves(self, client: Client, target: str, body: bytes | None = None, look_at: Questions = "") -> Reply:
        """Demand 200 with exactly the file's bytes as this client's next answer."""
        wanted = self.root.files[target] if body is None else body
        expected = f"200 with the {len(wanted)} bytes of {target}"
        reply = self.reply(client, expected, look_at)
        if (reply.status != 200 or reply.body != wanted) and self.known_as_broken(client):
            return reply

        def amiss(other: Client) -> bool:
            return has_none(other) or (other.replies[-1].status, other.replies[-1].body) != (200, wanted)

        if reply.status != 200:
            saw = f"{client.name} was answered {reply.status}"
            self.fail(expected, saw, clients=[client], look_at=look_at, amiss=amiss)
        if reply.body != wanted:
            others = (name for name, data in self.root.files.items() if data and data == reply.body)
            other = next(others, "")
            what = f"got the {len(reply.body)} bytes of {other}"
            if not other:
                what = difference(reply.body, wanted) + counted(reply, wanted)
            self.fail(expected, f"{client.name}: {what}", clients=[client], look_at=look_at, amiss=amiss)
        return reply

    def answers(self, client: Client, statuses: tuple[int, ...], why: str, look_at: Questions = "") -> Reply:
        """Demand an answer with one of these statuses and no secret in it."""
        wanted = " or ".join(map(str, statuses))
        reply = self.reply(client, f"{wanted} ({why})", look_at)
        if self.known_as_broken(client):
            return reply
        expected = f"{wanted} ({why})"
        if self.has_a_secret(reply):
            saw = "a file from outside the root was sent"
            self.fail(expected, saw, clients=[client], look_at=look_at, amiss=self.was_sent_a_secret)
        if reply.status not in statuses:
            saw = f"{client.name} was answered {reply.status}"

            def amiss(other: Client) -> bool:
                return has_none(other) or other.replies[-1].status not in statuses

            self.fail(expected, saw, clients=[client], look_at=look_at, amiss=amiss)
        return reply

    def was_sent_a_secret(self, client: Client) -> bool:
        return any(map(self.has_a_secret, client.replies))

    def has_a_secret(self, reply: Reply) -> bool:
        return bool(self.root.leaks(reply.head) or self.root.leaks(reply.body))

    def goes_on(self) -> None:
        """After whatever was done: the next clients are served."""
        with self.at_the_cost_of("goes_on"):
            self.probe()

    @contextmanager
    def blaming(self, line: str) -> Iterator[None]:
        """What fails in here costs this line, if it is none of HTTP's; what was asked for cannot be judged then."""
        self.scene, before = line, self.scene
        try:
            yield
        finally:
            self.scene = before

    @contextmanager
    def at_the_cost_of(self, line: str) -> Iterator[None]:
        """As `blaming`; if that line is known as broken, the scene goes on."""
        try:
            with self.blaming(line):
                yield
        except Finding as finding:
            if finding.costs != line or self.verdicts.judges(line, line):
                raise
            self.spoiled = True

    def probe(self, count: int = 2, look_at: Questions = "what did the clients before leave behind?") -> None:
        self.did("then new clients came" if count > 1 else "then one more came")
        for _ in range(count):
            self.serves(self.ask("/small.bin"), "/small.bin", look_at=look_at)
            self.leave()

    def end_by(self, number: signal.Signals) -> None:
        """Send a signal that ends the server, at a moment at which nobody has stopped it.

        Of a process that is stopped any thread may take it, and Python hears of it only in the main one.
        """
        self.comes(lambda: not any(task.state == "T" for task in self.launch.proc.tasks(self.main)), 1)
        self.launch.signal(number)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """What clients do meanwhile, the server finds done all at once: its main process is stopped, SIGSTOP; but not
        if that would cut short a call of its."""
        if self.waits_for_more():
            yield
            return
        self.launch.signal(signal.SIGSTOP)
        try:
            self.until(lambda: all(task.state in "TZX" for task in self.launch.proc.tasks(self.main)))
            yield
        finally:
            self.launch.signal(signal.SIGCONT)

    def waits_for_more(self) -> bool:
        """Whether a thread has the kernel wait for more of a client than there is: a signal ends that, recv(2)
        MSG_WAITALL, socket(7) SO_RCVLOWAT."""
        unread = {f"socket:[{row.inode}]" for row in self.rows().values() if row and row.inode and row.unread}
        for task in self.tasks():
            if task.state == "S" and task.call in RECEIVE:
                all_of_it = task.call == "recvfrom" and task.args[3] & socket.MSG_WAITALL
                if all_of_it or self.launch.proc.descriptors(task.pid).get(task.descriptor) in unread:
                    return True
        return False

    def asleep_for_good(self, patience: float = 0.5) -> bool:
        """Whether the kernel proves, in so many seconds, that the server sleeps until a client does something."""
        outcome = self.until(lambda: False, patience, verdict=False)
        return outcome.proven and self.prover.at_rest and not self.gone()

    def come_to_rest(self, turns: int = 5) -> None:
        """Wait until what was begun is done."""
        rest = Rest(self.launch.proc, self.launch.family, turns)

        def resting() -> bool:
            done = rest.check()
            self.prover.sights.note(time.monotonic(), rest.last.tasks)
            return done

        patience = waiting.PATIENCE / (30 if self.verdicts.unsettled else 6)
        settled = self.until(resting, patience, verdict=False)
        self.verdicts.unsettled = self.verdicts.unsettled or not settled
        if settled:
            self.watch("rest")
