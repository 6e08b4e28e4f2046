"""The outputs of action.yml, from the grader's own JSON: `outputs.py REPORTS >>"$GITHUB_OUTPUT"`."""

import json
import sys
from pathlib import Path


def outputs(reports: Path) -> dict[str, object]:
    """score, max-score (points), and the folder of the reports; nothing if nothing was graded."""
    result = reports / "result.json"
    if not result.exists():
        return {}
    data = json.loads(result.read_text(encoding="utf-8"))
    return {"score": data["score"], "max-score": data["max_score"], "reports": reports}


if __name__ == "__main__":
    for name, value in outputs(Path(sys.argv[1])).items():
        print(f"{name}={value}")
