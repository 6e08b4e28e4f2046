"""A result as JSON, described in result.schema.json beside this file (JSON Schema 2020-12).

A field may be added in the same version; one that changes or goes makes a new one.
"""

import json
import os
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.result import DISTURBED, Cell, Group, Result, Run
from grader.kernel import Proc
from grader.report.records import safe

SCHEMA = "eight-servers/bench/v1"
SCHEMA_FILE = Path(__file__).with_name("result.schema.json")


def processor_model() -> str:
    """As /proc/cpuinfo names it; where it does not (ARM), the architecture."""
    for line in Proc().read("cpuinfo").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def run_as_data(run: Run) -> dict[str, Any]:
    return asdict(run) | {"disturbed": run.disturbed, "load_bound": run.load_bound}


def cell_as_data(group: Group, cell: Cell) -> dict[str, Any]:
    reference = group.reference(cell)
    ratios = []
    for other in [*group.peers, *([reference] if reference else [])]:
        cost, rate = cell.times(other, "cost"), cell.times(other, "rate")
        if cost and rate:
            ratios.append({"to": other.server.name, "cost": asdict(cost), "rate": asdict(rate)})
    spreads = {name: cell.of(name) for name in ("rate", "cost", "p50", "p99")}
    return {
        "server": cell.server.name,
        "kind": cell.server.kind,
        "step": cell.server.step,
        "size": cell.size,
        "mode": cell.mode,
        "error": cell.error,
        "errors": cell.errors,
        **{name: asdict(values) if values else None for name, values in spreads.items()},
        "ratios": ratios,
        "runs": [run_as_data(run) for run in cell.runs],
    }


def render(result: Result) -> str:
    data = {
        "schema": SCHEMA,
        "when": result.when,
        "interrupted": result.interrupted,
        "machine": {
            "processor": processor_model(),
            "processors": os.cpu_count(),
            "kernel": f"{platform.system()} {platform.release()}",
            "architecture": platform.machine(),
        },
        "options": {
            "rounds": result.rounds,
            "seconds": result.seconds,
            "clients": result.clients,
            "python": result.python,
            "submission": result.submission,
        },
        "server_processor": result.processors[0],
        "load_processor": result.processors[1],
        "disturbed_above": DISTURBED,
        "versions": result.versions,
        "left_out": result.left_out,
        "cells": [cell_as_data(group, cell) for group in result.groups for cell in group.cells],
    }
    return json.dumps(safe(data), ensure_ascii=False, indent=1) + "\n"
