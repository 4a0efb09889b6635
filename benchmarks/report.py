"""Turn measurements into a table beside their goals, or into JSON."""

from collections.abc import Mapping
from typing import Any

GOALS = {
    "w1.ms_per_step": "<= 7",
    "w2.p95_ms": "<= 15",
    "api.read_p95_ms": "<= 100",
    "api.decide_p95_ms": "<= 150",
    "gate.ms": "<= 5 and <= 3x floor",
    "waiting.worker_slots": "0",
    "ratio.langgraph": ">= 1.35",
}


def nested(results: Mapping[str, Any]) -> dict[str, Any]:
    """Return `{"w1": {"ms_per_step": …}}` for dotted names."""
    tree: dict[str, Any] = {}
    for name, value in results.items():
        *parents, leaf = name.split(".")
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {})
        branch[leaf] = round(value, 3) if isinstance(value, float) else value
    return tree


def table(results: Mapping[str, float], goals: Mapping[str, str]) -> str:
    """Return one line a metric: name, value, goal where there is one."""
    width = max(map(len, results))
    lines = [f"{'metric':{width}}  {'value':>10}  goal", f"{'-' * width}  {'-' * 10}  ----"]
    lines += [
        f"{name:{width}}  {value:>10.2f}  {goals.get(name, '')}".rstrip() for name, value in results.items()
    ]
    return "\n".join(lines)
