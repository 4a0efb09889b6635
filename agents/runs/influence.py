"""Whose words a run has read: the tools that gave it output which outsiders may have written.

It only grows while a run lasts: neither a later trusted result nor an approval takes it back. A session's
memory carries it into the next run. `sources` and `before` are pure.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from typing import Any
from uuid import UUID

from agents.runs.models import Run, Step
from agents.tools.models import Tool

REQUEST = "the request"
CAME_BACK = frozenset({Step.Status.SUCCEEDED, Step.Status.FAILED, Step.Status.UNKNOWN})


def read(steps: Iterable[Step]) -> set[str]:
    """Return the tools whose closed calls gave the run something to read: a result, or an error in their words.

    A call whose result is withheld tells nothing but a handle. One that was never started tells what the
    platform or a person said. One that gave way to its fallback tells nothing: the fallback's result answers it.
    """
    return {
        step.name
        for step in steps
        if step.kind == Step.Kind.TOOL
        and not step.is_open
        and step.status in CAME_BACK
        and step.attempts > 0
        and "fallback" not in (step.result or {})
        and not (step.result or {}).get("withheld")
    }


def echoed(steps: Iterable[Step]) -> set[str]:
    """Return the tools that were given what is withheld: their results may repeat it, however they are trusted."""
    given = [step for step in steps if step.request.get("handles")]
    return read(given)


def flagged(steps: Iterable[Step]) -> set[str]:
    """Return the tools in whose results, unless withheld, a guardrail found what makes a run untrusted."""
    results = [(step.name, step.result or {}) for step in steps]
    return {name for name, result in results if result.get("flagged") and not result.get("withheld")}


def before(snapshot: dict[str, Any]) -> set[str]:
    """Return what the run inherited from earlier runs of its session."""
    return set(snapshot.get("influence", ()))


def sources(*, snapshot: dict[str, Any], steps: Iterable[Step], trusted: Container[str]) -> tuple[str, ...]:
    """Return the untrusted tools behind what the run has read so far, by name."""
    steps = list(steps)
    own = {name for name in read(steps) if name not in trusted} | echoed(steps) | flagged(steps)
    return tuple(sorted(before(snapshot) | own))


def of(run: Run, steps: Sequence[Step]) -> tuple[str, ...]:
    """Return the untrusted tools behind what the run has read, as the tenant's tools are trusted now."""
    return sources(snapshot=run.snapshot, steps=steps, trusted=Tool.objects.trusted(read(steps)))


def of_each(runs: Sequence[Run]) -> dict[UUID, tuple[str, ...]]:
    """Return the same for each of the runs, asking for the steps of all at once."""
    steps: dict[UUID, list[Step]] = defaultdict(list)
    called = Step.objects.filter(run__in=runs, kind=Step.Kind.TOOL, status__in=CAME_BACK, attempts__gt=0)
    for step in called.only("run_id", "kind", "status", "name", "attempts", "result", "request"):
        steps[step.run_id].append(step)
    names = {name for found in steps.values() for name in read(found)}
    trusted = Tool.objects.trusted(names)
    return {run.pk: sources(snapshot=run.snapshot, steps=steps[run.pk], trusted=trusted) for run in runs}
