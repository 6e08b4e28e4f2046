"""What a grade hangs on beside the submission: the grader's own sources, and the settings."""

import hashlib
import json
import platform
import sys
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from grader.budget import SECONDS
from grader.grading import EXAMPLES, REPOSITORY, SEED

SPARE = 300.0  # seconds beyond the budgets of all steps, after which a grader is ended
GRADER = sys.executable, "-m", "grader"


@dataclass(frozen=True)
class Settings:
    """grader: the command that grades. budget: seconds for a step. attempts: how often one that was not judged is
    tried."""

    steps: tuple[str, ...]
    walls: str = "auto"
    budget: float = SECONDS
    attempts: int = 2
    seed: int = SEED
    examples: int = EXAMPLES
    python: str = platform.python_version()
    grader: tuple[str, ...] = GRADER

    @property
    def told(self) -> dict[str, Any]:
        """What a grade hangs on: not how it is come by."""
        return {name: value for name, value in asdict(self).items() if name not in ("grader", "attempts")}

    @property
    def limit(self) -> float:
        """Seconds for a submission."""
        return self.budget * len(self.steps) + SPARE


def key(settings: Settings, student: str, submission: list[str]) -> str:
    """submission: the sum of each step's snapshot, or why there is none."""
    return hashlib.sha256(json.dumps([grader_version(), settings.told, student, submission]).encode()).hexdigest()


@cache
def grader_version() -> str:
    """Of all that judges: not of what only reads grades (this room), nor of what only learners use."""
    files = [REPOSITORY / "requirements" / "grade.txt", *REPOSITORY.glob("tests/*.ini")]
    files += [*(REPOSITORY / "tests").glob("*.py"), *(REPOSITORY / "tests" / "checks").glob("*.py")]
    files += [path for path in (REPOSITORY / "grader").rglob("*") if path.suffix in (".py", ".html", ".css", ".json")]
    total = hashlib.sha256()
    for path in sorted(files):
        name = path.relative_to(REPOSITORY).as_posix()
        if not name.startswith(("grader/batch/", "grader/learn/")):
            total.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()
