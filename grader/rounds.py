"""A thread that does not sleep for good: does it get anywhere? Its turns, its CPU time, and on what that is spent.

It is called stuck when it has had TURNS turns (it went to sleep and woke that many times) or SPIN seconds of CPU
time, and a minute has passed on the server's own clock, while nothing that matters changed: no socket, no
descriptor, no process, no thread. The minute need not be waited for: in the midst of those turns the clock is set
forward (grader.clock.Clock), in steps, so that what is due after three seconds is not a minute late, and
after each the server has time to act. Turns and CPU time are the server's own, so a busy machine makes the verdict
later and never harsher.

TURNS cannot be few: who is stopped and continued (SIGSTOP, a debugger), or waits for a page from the disk,
goes to sleep and wakes too, some ten times a second, and gets nowhere meanwhile.

Computing is not spinning. A spinner asks the kernel again and again, and is told at once that there is nothing: much
of its CPU time is the system's. A thread that computes asks for little but memory, and that can be counted
(page faults); one that reads files moves bytes. So whose CPU time is nearly all its own is given up only after
COMPUTING seconds of it, before which no deadline strikes; and so is whoever has nobody to serve yet.
"""

from dataclasses import dataclass
from typing import Protocol

from grader.kernel import TICK, Proc, Task
from grader.words import plural

TURNS = 2000
SPIN = 5.0  # seconds of CPU time
COMPUTING = 60.0  # the same, of one who computes
AFTER_THE_FIRST = 0.2  # of them all, and of the patience, once this submission has been caught by one of them

#: The seconds that the clock is set forward at a time, and how much of the turns and of the CPU time is had before.
STEPS = ((0.4, 1), (0.1, 5), (0.1, 15), (0.1, 41))
THEN = 0.3  # of them after the last step
ASKS = 0.12  # of the CPU time, at least, is the system's of one who goes on asking: measured 0.17 to 0.55
FAULT = 2e-4  # seconds that the kernel may spend on a page fault: it clears up to 2 MiB
HEAVY = 0.002  # seconds of CPU time a turn: not a nap between two looks at the clients, but work that is cut up


class Ahead(Protocol):
    """A clock that can be set forward."""

    ahead: float

    def forward(self, seconds: float) -> None: ...
    def leads(self, proc: Proc, pid: int) -> bool: ...


@dataclass(frozen=True)
class Spent:
    """What a thread has used so far: CPU time, the system's part of it, page faults, bytes read by its process."""

    cpu: float = 0.0
    system: float = 0.0
    faults: int = 0
    read: int = 0

    def since(self, before: "Spent") -> "Spent":
        return Spent(
            self.cpu - before.cpu,
            self.system - before.system,
            self.faults - before.faults,
            self.read - before.read,
        )

    @property
    def asks(self) -> bool:
        """Whether it can only be one who asks the kernel again and again, to no end."""
        return self.read == 0 and self.system - self.faults * FAULT >= ASKS * self.cpu


def spent(proc: Proc, task: Task) -> Spent:
    """proc_pid_stat(5) of a thread: minflt, utime, stime; proc_pid_io(5): rchar, which sockets do not add to."""
    fields = proc.read(task.pid, "task", task.tid, "stat").rpartition(")")[2].split()
    if len(fields) < 13:
        return Spent()
    user, system = int(fields[11]) * TICK, int(fields[12]) * TICK
    moved = proc.read(task.pid, "io").split()[1:2]
    return Spent(user + system, system, int(fields[7]), int(moved[0]) if moved else 0)


Key = tuple[int, int]


class Rounds:
    """Counts for the threads of one family, since something changed and since the clock was set forward last."""

    def __init__(self, proc: Proc, clock: Ahead | None = None):
        self.proc = proc
        self.clock = clock
        self.tasks: dict[Key, Task] = {}
        self.now = 0.0
        self.demand(1.0, 1.0, True)
        self.reset()

    def demand(self, turns: float, spin: float, verdict: bool) -> None:
        self.turns, self.spin, self.computing = TURNS * turns, SPIN * spin, COMPUTING * spin
        self.for_verdict = verdict

    def reset(self) -> None:
        self.step, self.passed = 0, 0.0
        self.first: dict[Key, int] = {}  # voluntary switches
        self.first_spent: dict[Key, Spent] = {}
        self.grew: dict[Key, tuple[float, float]] = {}  # CPU time, and when it was seen to grow
        self.begin_stretch()

    def begin_stretch(self) -> None:
        self.base: dict[Key, int] = {}
        self.base_cpu: dict[Key, float] = {}

    def note(self, now: float, tasks: dict[Key, Task]) -> None:
        """A look was taken."""
        self.now, self.tasks = now, tasks
        for key, task in tasks.items():
            self.first.setdefault(key, task.voluntary)
            self.base.setdefault(key, task.voluntary)

    @property
    def share(self) -> float:
        """How much of what is demanded this stretch has to see."""
        if not self.clock or not self.for_verdict:
            return 1.0
        return STEPS[self.step][0] if self.step < len(STEPS) else THEN

    def use(self, key: Key) -> Spent:
        """What a thread has used since something changed, as far as it was seen awake."""
        used = spent(self.proc, self.tasks[key])
        if self.grew.get(key, (-1.0, 0.0))[0] < used.cpu:
            self.grew[key] = used.cpu, self.now
        self.base_cpu.setdefault(key, used.cpu)
        return used.since(self.first_spent.setdefault(key, used))

    def computes(self, key: Key, used: Spent) -> bool:
        turns = self.tasks[key].voluntary - self.first[key]
        return self.for_verdict and used.cpu > max(HEAVY * turns, 0.1) and not used.asks

    def tired(self, key: Key, *, serving: bool = True) -> bool:
        """Whether a thread has gone round often enough. serving: there is somebody whom it could serve."""
        used, task = self.use(key), self.tasks[key]
        stretch = self.grew[key][0] - self.base_cpu[key]
        if self.computes(key, used) or (not serving and self.for_verdict and task.state == "R"):
            return stretch >= self.share * self.computing
        enough = task.voluntary - self.base[key] >= self.share * self.turns
        return enough or (task.state == "R" and stretch >= self.share * self.spin)

    def busy(self) -> bool:
        """Whether a thread computes, and may go on: no deadline strikes meanwhile."""
        for key, task in self.tasks.items():
            if self.for_verdict and key in self.first_spent:
                used = self.use(key)
                runs = task.state in "RD" or self.now - self.grew[key][1] < 2
                if runs and self.computes(key, used) and used.cpu < self.computing:
                    return True
        return False

    def forward(self) -> bool:
        """Set the clock forward by the next step; False if it cannot be, or need not be any further."""
        if not self.clock or not self.for_verdict or self.step == len(STEPS):
            return False
        seconds = STEPS[self.step][1]
        self.clock.forward(seconds)
        self.step, self.passed = self.step + 1, self.passed + seconds
        self.begin_stretch()
        return True

    def verdict(self, tired: set[Key]) -> str:
        """Why they are stuck; "" as long as the clock can be set forward, or for those who do not go by it."""
        if self.forward():
            return ""
        if self.passed and self.clock and not all(self.clock.leads(self.proc, pid) for pid, _ in tired):
            return ""
        turns = max(self.tasks[key].voluntary - self.first[key] for key in tired)
        cpu = sum(self.use(key).cpu for key in self.tasks if key in self.first_spent)
        rounds = plural(turns, "turn") if turns else "without a pause"
        return (
            f"the server kept going round ({rounds}, {cpu:.1f} s of CPU time){self.on_its_clock} "
            "and nothing changed: no socket, descriptor, process or thread"
        )

    @property
    def on_its_clock(self) -> str:
        return f" while {self.passed:.0f} s passed on its clock" if self.passed else ""
