"""Turn measurements into a table beside their goals, or into JSON."""

from collections.abc import Mapping
from typing import Any

GOALS = {
    "w1.ms_per_step": "<= 7",
    "w2.p95_ms": "<= 15",
    "api.read_p95_ms": "<= 100",
    "api.decide_p95_ms": "<= 150",
    "policy.us_100_rules": "<= 20",
    "gate.ms": "<= 5 and <= 3x floor",
    "gate.decisions_per_s": ">= 500",
    "halt.p99_ms": "<= 2000",
    "waiting.worker_slots": "0",
    "queue.p95_ms": "<= 300",
    "queue.queries": "<= 12",
    "live.p95_ms": "<= 1000",
    "live.lost": "0",
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


def comparison(found: Mapping[str, Any]) -> str:
    """Return one line a contestant: milliseconds, CPU, transactions and speed, and whose versions they are."""
    lines = [
        f"{'per step':15}  {'ms':>7}  {'CPU ms':>7}  {'PG CPU':>7}  {'transactions':>12}"
        f"  {'steps/s':>8}  {'8 at once':>9}  {'ours is':>9}  versions"
    ]
    for name, figures in {"countersign": found["countersign"], **found["peers"]}.items():
        ratio = f"{found['ratio'][name]:.2f} x" if name in found["ratio"] else ""
        versions = ", ".join(
            f"{package} {version}" for package, version in figures.get("versions", {}).items()
        )
        lines.append(
            f"{name:15}  {figures['ms_per_step']:7.2f}  {figures['cpu_ms_per_step']:7.2f}"
            f"  {figures['postgres_cpu_ms_per_step']:7.2f}  {figures['transactions_per_step']:12.1f}"
            f"  {figures['steps_per_s']:8.1f}  {figures['steps_per_s_8_at_once']:9.1f}  {ratio:>9}  {versions}".rstrip()
        )
    spin = found["machine"]
    lines.append(
        f"the rows of a governed step in bare SQL: {found['countersign']['floor_ms_per_step']:.2f} ms"
    )
    lines.append(f"fixed CPU loop: {spin['spin_ms']:.0f} ms, at worst {spin['spin_worst_ms']:.0f} ms")
    return "\n".join(lines)
