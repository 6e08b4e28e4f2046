"""What came of it, as data: cells, their measurements, and the medians and ratios of those."""

from dataclasses import dataclass, field
from statistics import median

from bench.servers import PEER, SUBMISSION, Server

DISTURBED = 0.1  # of one processor, used by others
AT_ITS_LIMIT, IDLE = 0.95, 0.9  # shares of a processor: wrk's from there on, the server's until there


@dataclass(frozen=True)
class Run:
    """One measurement: seconds, bytes, counts. `foreign` is a share of one processor, None where it is not known."""

    round: int
    again: bool  # the one before it was disturbed
    requests: int
    seconds: float
    bytes: int
    p50: float
    p99: float
    cpu: float  # the server's
    load_cpu: float  # wrk's
    foreign: float | None
    errors: dict[str, int]

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    @property
    def cost(self) -> float:
        """The server's processor time for one request, in seconds."""
        return self.cpu / self.requests

    @property
    def disturbed(self) -> bool:
        return self.foreign is not None and self.foreign > DISTURBED

    @property
    def load_bound(self) -> bool:
        """Whether wrk had nothing left to give, and the server had: it could have done more."""
        return self.load_cpu / self.seconds > AT_ITS_LIMIT and self.cpu / self.seconds < IDLE


@dataclass(frozen=True)
class Spread:
    median: float
    min: float
    max: float


def spread(values: list[float]) -> Spread | None:
    return Spread(median(values), min(values), max(values)) if values else None


@dataclass
class Cell:
    """A server, a file and a kind of connection; and what was measured, a run for each round. `error`: why not."""

    server: Server
    size: int
    mode: str
    runs: list[Run] = field(default_factory=list)
    error: str = ""

    def of(self, quantity: str) -> Spread | None:
        """`rate`, `cost`, `p50` or `p99` over the rounds in which anything was answered."""
        return spread([getattr(run, quantity) for run in self.runs if run.requests])

    @property
    def errors(self) -> dict[str, int]:
        """Of all rounds: kind -> how many."""
        kinds = sorted({kind for run in self.runs for kind in run.errors})
        return {kind: sum(run.errors.get(kind, 0) for run in self.runs) for kind in kinds}

    def times(self, other: "Cell", quantity: str) -> Spread | None:
        """How many times the other's, by the ratios within each round; None if they share no round."""
        theirs = {run.round: getattr(run, quantity) for run in other.runs if run.requests}
        ratios = []
        for run in self.runs:
            if run.requests and theirs.get(run.round):
                ratios.append(getattr(run, quantity) / theirs[run.round])
        return spread(ratios)


@dataclass
class Group:
    """The cells of one table: one size, one kind of connection."""

    size: int
    mode: str
    cells: list[Cell]

    @property
    def baseline(self) -> Cell | None:
        """The first peer that was measured."""
        return next((cell for cell in self.peers if cell.runs), None)

    @property
    def peers(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.server.kind == PEER]

    @property
    def ours(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.server.kind != PEER]

    def reference(self, cell: Cell) -> Cell | None:
        """Our solution of the step of a submission's cell."""
        if cell.server.kind != SUBMISSION:
            return None
        return next(other for other in self.ours if other.server.step == cell.server.step and other is not cell)


@dataclass
class Result:
    """A whole run of the bench."""

    when: str  # UTC, ISO 8601
    groups: list[Group]
    left_out: list[str]  # lines
    rounds: int
    seconds: int
    clients: int
    processors: tuple[int, int]  # the server's, the load's
    python: str
    submission: str
    versions: dict[str, str]  # of what was measured, and measured with
    interrupted: bool = False

    @property
    def cells(self) -> list[Cell]:
        return [cell for group in self.groups for cell in group.cells]
