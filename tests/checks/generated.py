"""Requests that nobody has thought of: conversations, names, sizes and heads made by Hypothesis.

The rules of the contract are the oracle. The seed and the number of examples are fixed, so that a server gets the
same verdict each time; what fails is shrunk, and the smallest that fails is what the learner is told.
"""

from collections.abc import Callable
from typing import TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from hypothesis.internal.conjecture.providers import HypothesisProvider
from hypothesis.internal.constants_ast import Constants

from grader import contract, judge
from grader.client import Client, request
from grader.contract import Violation
from grader.finding import Finding
from grader.reply import excerpt
from grader.subject import Server
from tests.checks import questions
from tests.checks.files import NOTHING

#: Hypothesis likes to draw what stands as a constant in any module of ours that is loaded. So another report, or a
#: line that we write somewhere, would make other examples; there is no setting for it, and the version is pinned.
HypothesisProvider._local_constants = Constants()  # type: ignore[assignment]

Example = TypeVar("Example")
Pieces = tuple[bytes, ...]

#: Targets of every kind, as the site has them.
TARGETS = (
    *("/page1.txt", "/page2.txt", "/empty.txt", "/one.txt", "/small.bin", "/", "/sub/", "/tricky.txt", "/large.bin"),
    *("/nope.txt", "/nope/", "/sub", "/bare/", "/page1.txt/", "/../secret.txt", "/%2e%2e/secret.txt", "/%00", "/%zz"),
    *("/%70age1.txt", "/page1.txt?x=1", "/sub/?a/", "/page1.txt?%0d%0aX-Planted:%20yes", "/link.txt", "/relative.bin"),
    *("/no%C3%B1.txt", "/nope%0d%0aX-Planted:%20yes", "/bytes.html", "/text.txt", "/absolute.bin", "/second-link.txt"),
)
OPTIONS = (
    *((), (), (), ("Connection: keep-alive",), ("Connection: Keep-Alive",)),
    *(("Connection: close",), ("connection: CLOSE",), ("Connection:close",), ("CONNECTION: Close ",)),
)


class Broken(Exception):
    """An example has broken a rule, or is not answered to its end."""

    def __init__(self, violation: Violation):
        super().__init__(f"expected {violation.expected}; saw {violation.saw}")
        self.violation = violation


def smallest(
    server: Server,
    examples: st.SearchStrategy[Example],
    play: Callable[[Server, Example], None],
    *,
    times: int = 1,
) -> None:
    """Play examples; if one breaks a rule, the smallest that breaks it once more, for the record.

    times: as many as usual, for what has more kinds.
    """
    stage = server
    last: list[Example] = []

    def again(example: Example) -> None:
        nonlocal stage
        if stage.gone() or stage.spoiled:
            stage = server.grading.start()
        try:
            play(stage, example)
        except (Broken, Finding):
            last[:] = [example]
            stage.spoiled = stage is not server
            raise
        finally:
            stage.close_clients()

    phases = (Phase.generate, Phase.shrink)
    checks = list(HealthCheck)
    run = settings(
        max_examples=server.grading.examples * times,
        database=None,
        deadline=None,
        phases=phases,
        suppress_health_check=checks,
        report_multiple_bugs=False,
        print_blob=False,
    )(given(examples)(again))
    try:
        seed(server.grading.seed)(run)()
    except (Broken, Finding, Flaky) as error:
        tell(server.grading.start() if server.gone() else server, last[0], play, f"{error.__cause__ or error}")


def tell(server: Server, example: Example, play: Callable[[Server, Example], None], why: str) -> None:
    """Fail by this example, at the cost of the rule that it breaks."""
    server.begin_story()
    try:
        play(server, example)
    except Broken as broken:
        client = server.clients[-1]
        found = broken.violation
        server.fail(found.expected, found.saw, clients=[client], broken=found, look_at=questions.GENERATED)
    server.notes.append(f"an example that failed once did not fail again, and is not counted: {why}")


def converse(server: Server, pieces: Pieces, half_closed: bool = False, together: bool = False) -> None:
    """Send these pieces on one connection, each when the one before is read unless all at once; judge what comes."""
    if "pieces" in server.verdicts.lost:
        pieces = (b"".join(pieces),)
    words = " | ".join(excerpt(piece, 150) for piece in pieces)
    then = ", then shut down the sending side" if half_closed else ""
    server.did(f"sent `{words}`{then}", again=True)
    client = server.client()
    for number, piece in enumerate(pieces):
        client.send(piece)
        if not together and number + 1 < len(pieces):
            server.settle(lambda: server.has_read(client) or client.ended)
    if half_closed:
        client.half_close()
    wait_for_all(server, client)
    for violation in judge.violations(server, client, over=True):
        if server.verdicts.judges(violation.line, violation.rule):
            raise Broken(violation)


def wait_for_all(server: Server, client: Client) -> None:
    """Until every request that must be answered is, and the connection has ended if it is to."""
    seen = judge.exchange(server, client)
    number = contract.expected(seen)
    closes = not server.long or any(each.closes for each in seen.requests[:number])

    def done() -> object:
        return client.ended or client.malformed or (len(client.replies) >= number and not closes)

    server.ask_for_the_end(client, done)
    if not server.until(done) and (missing := judge.unanswered(server, client)):
        raise Broken(missing)
    if not client.ended and not client.malformed:
        server.settle(lambda: server.has_read(client))
        server.come_to_rest(turns=2)


def head_of(target: str, method: str, version: str, options: tuple[str, ...], more: list[str]) -> bytes:
    """Host stands before these lines, behind them, or among them."""
    lines = (*more, *options, *("Content-Length: 0",) * (method == "PUT"))
    return request(target, method=method, version=version, headers=lines, host=len(target) % (len(lines) + 1))


def heads(most: int) -> st.SearchStrategy[list[bytes]]:
    head = st.builds(
        head_of,
        st.sampled_from(TARGETS),
        st.sampled_from(("GET",) * 8 + ("DELETE", "PUT", "OPTIONS")),
        st.sampled_from(("1.1",) * 5 + ("1.0",)),
        st.sampled_from(OPTIONS),
        st.lists(st.sampled_from(NOTHING), max_size=3, unique=True),
    )
    return st.lists(head, min_size=1, max_size=most)


def cut_anywhere(stream: bytes, cuts: list[float]) -> Pieces:
    places = sorted({int(cut * len(stream)) for cut in cuts} - {0, len(stream)})
    return tuple(stream[begin:end] for begin, end in zip([0, *places], [*places, len(stream)], strict=True))


def conversations(server: Server) -> None:
    """Requests of every kind, first, later and pipelined, cut anywhere, half-closed or not."""
    example = st.tuples(
        heads(4 if server.long else 2), st.lists(st.floats(0, 1), max_size=3), st.booleans(), st.booleans()
    )

    def play(stage: Server, example: tuple[list[bytes], list[float], bool, bool]) -> None:
        sent, cuts, half_closed, together = example
        converse(stage, cut_anywhere(b"".join(sent), cuts), half_closed, together)

    smallest(server, example, play)


def spelled(path: str, how: list[int]) -> str:
    """A path as a target: what needs it is escaped, and some of what does not, in capitals or small letters."""
    words = []
    for number, byte in enumerate(path.encode()):
        kind = how[number % len(how)]
        unreserved = "-._~/" + "!$&'()*+,;=:@" * (kind < 4)  # RFC 3986, section 3.3
        plain = chr(byte) if (chr(byte).isalnum() and byte < 128) or chr(byte) in unreserved else ""
        words.append(plain if plain and (kind < 6 or plain == "/") else f"%{byte:02{'X' if kind % 2 else 'x'}}")
    return "/" + "".join(words)


#: What a made-up path stands for: a file; a folder with an index.html, with its slash and without.
FILE, FOLDER, NO_SLASH = "", "/", "-"


def names(server: Server) -> None:
    """Files and folders with any name that there may be: all of Unicode, dots, blanks, backslashes, up to 255 bytes,
    and up to 2,000 of a path."""
    letters = st.characters(exclude_categories=["Cs"], exclude_characters="/\0")
    odd = st.text(
        st.sampled_from(" .%?#&+;=\\\"'<>|*~:@[]{}^`\t\r\n\x7f\xa0\xe9e\u0301ß中😀İ"), min_size=1, max_size=12
    )
    usual = st.sampled_from((".well-known", ".hidden.txt", "my documents", "año", "a.b", "~", "-", "...", "x" * 200))
    text = st.one_of(st.text(letters, min_size=1, max_size=40), odd, usual, st.text(letters, min_size=60, max_size=85))
    name = text.map(lambda name: name.encode()[:255].decode(errors="ignore")).filter(lambda n: n not in ("", ".", ".."))
    path = st.one_of(name.map(lambda name: [name]), st.lists(name, min_size=1, max_size=8))

    def play(stage: Server, example: tuple[list[str], str, list[int]]) -> None:
        names, kind, how = example
        path = "/".join(names)
        target = spelled(path, how)
        if len(path.encode()) > 2000 or len(target) > 6000:
            return
        try:
            if kind == FILE:
                stage.root.add_named(path, target)
            else:
                stage.root.add_named(f"{path}/index.html", f"{target}/")
        except OSError:  # a folder of that name is there, or a file in the place of a folder
            return
        converse(stage, (request(target + "/" * (kind == FOLDER)),))

    kinds = st.sampled_from((FILE, FILE, FOLDER, NO_SLASH))
    smallest(server, st.tuples(path, kinds, st.lists(st.integers(0, 7), min_size=1, max_size=5)), play, times=3)


def sizes(server: Server) -> None:
    """Files around the sizes that buffers have, and never round."""
    around = st.builds(lambda power, by: max((1 << power) + by, 0), st.integers(0, 21), st.integers(-40, 40))

    def play(stage: Server, size: int) -> None:
        converse(stage, (request(stage.root.sized(size)),))

    smallest(server, around, play)


def long_heads(server: Server) -> None:
    """Heads of any shape up to 8,192 bytes: many lines or few, short or long."""
    value = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=60)
    line = st.tuples(st.from_regex(r"X-[A-Za-z0-9!#$&'*+.^_`|~-]{1,20}", fullmatch=True), value)

    def play(stage: Server, example: tuple[list[tuple[str, str]], list[float]]) -> None:
        lines, cuts = example
        head = request("/page1.txt", headers=tuple(f"{name}: {value}" for name, value in lines))
        if len(head) <= contract.HEAD:
            converse(stage, cut_anywhere(head, cuts))

    smallest(server, st.tuples(st.lists(line, max_size=300), st.lists(st.floats(0, 1), max_size=2)), play)
