"""Records as plain JSON of ours, whole: what every other report is made of.

The fields are described in result.schema.json beside this file (JSON Schema 2020-12). A field may be added
in the same version; one that changes or goes makes a new one.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from grader.record import FULL, Check, Result, Story
from grader.report import text

SCHEMA = "eight-servers/result/v1"
SCHEMA_FILE = Path(__file__).with_name("result.schema.json")


def safe(value: Any) -> Any:
    """Every string as a person can read it: what came of a submission may hold anything."""
    if isinstance(value, str):
        return text.printable(value)
    if isinstance(value, dict):
        return {name: safe(item) for name, item in value.items()}
    return [safe(item) for item in value] if isinstance(value, list | tuple) else value


def told(story: Story) -> dict[str, Any]:
    """Times as seconds from the story's beginning."""
    return {
        "seconds": round(story.ended - story.began, 6),
        "did": story.did,
        "events": [
            {"time": round(at - story.began, 6), "client": client, "what": what, "detail": detail}
            for at, client, what, detail in story.events
        ],
        "sights": [{"time": round(at - story.began, 6), "server": doing} for at, doing in story.sights],
        "left_out": story.left_out,
    }


def check_as_data(check: Check) -> dict[str, Any]:
    return {
        "name": check.name,
        "title": check.title,
        "points": check.points,
        "earned": check.earned,
        "stretch": check.stretch,
        "outcome": check.outcome,
        "reason": check.reason,
        "seconds": round(check.seconds, 3),
        "notes": check.notes,
        "finding": asdict(check.finding) if check.finding else None,
        "stories": [told(story) for story in check.stories],
    }


def step_as_data(result: Result) -> dict[str, Any]:
    return {
        "step": result.step,
        "submission": result.submission,
        "script": result.script,
        "sha256": result.sha256,
        "snapshot": result.snapshot,
        "notes": result.notes,
        "when": result.when,
        "score": result.score,
        "max_score": FULL,
        "status": result.status,
        "seconds": round(result.seconds, 3),
        "todo": result.todo,
        "part": result.part,
        "error": result.error,
        "refused": result.refused,
        "interrupted": result.interrupted,
        "walls": result.walls,
        "walls_note": result.walls_note,
        "checks": [check_as_data(check) for check in result.checks],
    }


def render(results: list[Result]) -> str:
    data = {"schema": SCHEMA, "score": sum(r.score for r in results), "max_score": FULL * len(results)}
    return json.dumps(safe({**data, "steps": list(map(step_as_data, results))}), ensure_ascii=False, indent=1) + "\n"
