"""The result of a siege: the same figures as JSON and as a table beside their goals."""

from typing import Any

from benchmarks.chaos.judge import Verdict
from benchmarks.chaos.siege import Siege

GOALS = {
    "lost": "0",
    "duplicate_effects": "0",
    "ambiguous_raised": "= ambiguous",
    "recovery_p95_s": "<= 30",
    "recovery_max_s": "<= 60",
    "audit_valid": "true",
}
SHOWN = 20
SLOW_S = 60.0
"""The longest that a recovery may take, in seconds."""


def figures(siege: Siege, verdict: Verdict) -> dict[str, Any]:
    """Return what `--json` prints."""
    result: dict[str, Any] = {
        "kills": siege.watch.kills,
        "runs": len(siege.people.jobs),
        "effects": len(siege.world.ledger.lines),
        "lost": len(verdict.lost),
        "duplicate_effects": len(verdict.duplicates),
        "ambiguous": verdict.ambiguous.total(),
        "ambiguous_raised": verdict.raised.total(),
        "recoveries": len(verdict.recoveries_s),
        "recoveries_interrupted": verdict.interrupted,
    }
    if took := sorted(verdict.recoveries_s.values()):
        result |= {
            f"recovery_{name}_s": round(percentile(took, share), 2)
            for name, share in (("p50", 0.5), ("p95", 0.95), ("max", 1.0))
        }
    return result | {
        "audit_valid": verdict.audit_valid,
        "crashes": len(siege.watch.crashes),
        "answers": dict(siege.people.answers),
        "faults": dict(siege.applied),
        "points": dict(siege.at_points),
        "points_missed": dict(siege.missed),
        "seed": siege.seed,
    }


def is_good(result: dict[str, Any]) -> bool:
    """Tell whether nothing was lost, done twice or kept from people, and the audit log holds."""
    return bool(
        not result["lost"]
        and not result["duplicate_effects"]
        and result["ambiguous"] == result["ambiguous_raised"]
        and result["audit_valid"]
    )


def findings(siege: Siege, verdict: Verdict) -> list[str]:
    """Return what went wrong, in words."""
    found = [*verdict.lost, *verdict.duplicates, *siege.watch.crashes]
    for step in verdict.ambiguous - verdict.raised:
        found.append(
            "\n  ".join([f"step {step} lost its worker, and nobody was asked:", *verdict.trails[step]])
        )
    slow = {run: took for run, took in verdict.recoveries_s.items() if took > SLOW_S}
    found += [f"run {run}: {took:.1f} s to recover" for run, took in slow.items()]
    found += [] if verdict.audit_valid else [verdict.audit]
    return found[:SHOWN] + ([f"... and {len(found) - SHOWN} more"] if len(found) > SHOWN else [])


def table(result: dict[str, Any]) -> str:
    """Return one line a figure, beside its goal."""
    width = max(map(len, result))
    lines = [f"{'figure':{width}}  {'value':>12}  goal", f"{'-' * width}  {'-' * 12}  ----"]
    for name, value in result.items():
        if isinstance(value, dict):
            lines += [f"{name}:", *(f"  {key}: {count}" for key, count in value.items())]
        else:
            lines.append(f"{name:{width}}  {str(value).lower():>12}  {GOALS.get(name, '')}".rstrip())
    return "\n".join(lines)


def percentile(ordered: list[float], share: float) -> float:
    """Return the value below which `share` of the sorted values lie (nearest rank)."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
