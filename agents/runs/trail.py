"""What a run had before it when it proposes a call, from its stored steps. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from agents.runs import influence
from agents.runs.models import Run, Step
from agents.tools.base import Trust
from governance.flow import structure, values
from governance.flow.types import Item, Origin, Trail
from tenants.kernel.jsonvalues import JsonObject

PLAN, EXTRACT = "propose_plan", "extract"
READ = frozenset({Origin.TOOL, Origin.MEMORY})
UNKNOWN = Trust()
MEMORY = "an earlier request of the session"


def of(
    *, run: Run, steps: Iterable[Step], trust: Mapping[str, Trust], today: date, withheld: bool = False
) -> Trail:
    """Return it: what the session remembers, the request, and what each step brought, oldest first.

    `withheld` adds the results that the model was given handles of, for a call that is given one of them.
    An answer extracted from a result is as untrusted as the run was that asked for it: its options may not have
    been its own. What a session remembers is untrusted as soon as one of its runs had read untrusted results.
    """
    inherited = influence.before(run.snapshot)
    items: list[Item] = []
    for exchange in run.snapshot.get("memory", ()):
        items.append(Item(origin=Origin.USER, content=exchange["query"]))
        answer = {"origin": Origin.MEMORY, "content": exchange["answer"], "name": MEMORY}
        items.append(Item(**answer, trusted=not inherited))
    if inherited and not items:
        items.append(Item(origin=Origin.MEMORY, content="", name=MEMORY, trusted=False))
    items.append(Item(origin=Origin.USER, content=run.query))
    for step in steps:
        brought = _of_step(step, trust, withheld=withheld)
        if step.name == EXTRACT and any(not i.trusted for i in items if i.origin in READ):
            brought = [replace(item, trusted=False) for item in brought]
        items += brought
    return Trail(items=tuple(items), today=today)


def _of_step(step: Step, trust: Mapping[str, Trust], *, withheld: bool) -> list[Item]:
    if step.is_open or step.result is None:
        return []
    if step.kind == Step.Kind.PERSON:
        return _said(step, step.result.get("message"))
    if step.kind != Step.Kind.TOOL:
        return []
    content = step.result.get("content")
    if not step.attempts and step.status == Step.Status.SUCCEEDED and isinstance(content, dict):
        return _said(step, content.get("answer"))  # what was never executed was put to a person
    result = step.result
    is_withheld = withheld and result.get("withheld") and step.status == Step.Status.SUCCEEDED
    if not influence.read([step]) and not is_withheld:
        return []
    may_repeat = bool(result.get("flagged") or step.request.get("handles"))
    known = trust.get(step.name, UNKNOWN)
    arguments = step.result.get("arguments", step.request.get("arguments"))
    found = _said(step, _edited(step, arguments))
    if step.name == PLAN and known.built_in and step.review_id and step.status == Step.Status.SUCCEEDED:
        found.append(
            Item(origin=Origin.PERSON, content="", step=step.number, name=step.name, plan=_plan(arguments))
        )
    if isinstance(content, dict) and set(content) == {"notice", "executed_arguments", "result"}:
        content = content["result"]
    if step.status == Step.Status.SUCCEEDED:
        content = structure.of(content, known.result_format)
    return [
        *found,
        Item(
            origin=Origin.TOOL,
            content=content,
            step=step.number,
            name=step.name,
            arguments=arguments,
            trusted=known.output_trusted and not may_repeat,
            consequential=known.consequential,
            directories=known.directories,
        ),
    ]


def _said(step: Step, words: Any) -> list[Item]:
    if not isinstance(words, str) or not words.strip():
        return []
    return [Item(origin=Origin.PERSON, content=words, step=step.number, name=step.name)]


def _edited(step: Step, arguments: Any) -> str:
    """Return the values that a reviewer put into a call before it ran: those words are theirs."""
    proposed = dict(values.leaves(step.request.get("arguments") or {}))
    if not step.review_id or not isinstance(arguments, dict):
        return ""
    changed = [value for at, value in values.leaves(arguments) if proposed.get(at) != value]
    return "\n".join(str(value) for value in changed if value is not None)


def _plan(arguments: Any) -> tuple[tuple[str, JsonObject], ...]:
    calls = arguments.get("calls") if isinstance(arguments, dict) else None
    return tuple(
        (call["tool"], call["arguments"])
        for call in calls or ()
        if isinstance(call, dict)
        and isinstance(call.get("tool"), str)
        and isinstance(call.get("arguments"), dict)
    )
