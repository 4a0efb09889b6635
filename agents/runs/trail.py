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
from governance.flow.words import bare
from governance.guardrails.engine import TOKEN
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
    been its own. What a session remembers is untrusted as soon as one of its runs had read untrusted results, and
    what was asked for earlier is not asked for again: it was done. A request in which a guardrail found what makes
    it untrusted asks for nothing.
    """
    inherited = influence.before(run.snapshot)
    items: list[Item] = []
    for exchange in run.snapshot.get("memory", ()):
        words = (exchange["query"], exchange["answer"])
        items += [
            Item(origin=Origin.MEMORY, content=said, name=MEMORY, trusted=not inherited) for said in words
        ]
    if inherited and not items:
        items.append(Item(origin=Origin.MEMORY, content="", name=MEMORY, trusted=False))
    if run.snapshot.get("doubted"):
        items.append(Item(origin=Origin.MEMORY, content=run.query, name=influence.REQUEST, trusted=False))
    else:
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
    may_repeat = bool(result.get("flagged") or step.request.get("handles"))
    known = trust.get(step.name, UNKNOWN)
    proposed = step.request.get("arguments")
    arguments = result.get("arguments", proposed)
    if not influence.read([step]) and not is_withheld:
        return [_made(step, arguments)] if step.attempts and known.consequential else []
    found = _said(step, _edited(step, arguments))
    if known.consequential and arguments != proposed:
        found.append(_made(step, proposed))
    if step.name == PLAN and known.built_in and step.review_id and step.status == Step.Status.SUCCEEDED:
        found.append(
            Item(origin=Origin.PERSON, content="", step=step.number, name=step.name, plan=_plan(arguments))
        )
    if result.get("edited") and isinstance(content, dict) and "result" in content:
        content = content["result"]  # the rest is the platform's own, see engine.after_edit
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
            members=known.members,
        ),
    ]


def _said(step: Step, words: Any) -> list[Item]:
    if not isinstance(words, str) or not words.strip():
        return []
    return [Item(origin=Origin.PERSON, content=words, step=step.number, name=step.name)]


def _made(step: Step, arguments: Any) -> Item:
    """Return a call of which the run has read nothing, or which ran otherwise: it was made all the same."""
    return Item(
        origin=Origin.TOOL,
        content=None,
        step=step.number,
        name=step.name,
        arguments=arguments,
        consequential=True,
    )


def _edited(step: Step, arguments: Any) -> str:
    """Return what a reviewer wrote into a call before it ran: those words are theirs.

    Nothing that stood anywhere in the proposed call is, wherever they left it, nor is what guardrails put there.
    """
    if not (step.result or {}).get("edited") or not isinstance(arguments, dict):
        return ""
    proposed = [value for _, value in values.leaves(step.request.get("arguments") or {})]
    before = " ".join(str(value) for value in proposed).casefold()
    lines: list[str] = []
    for _, value in values.leaves(arguments):
        if isinstance(value, str):
            lines += _own_words(value, before)
        elif value is not None and not any(values.same(value, one) for one in proposed):
            lines.append(str(value))
    return "\n".join(lines)


def _own_words(text: str, before: str) -> list[str]:
    """Return the words next to each other that did not stand in the text before."""
    runs: list[list[str]] = [[]]
    for word in TOKEN.sub(" [] ", text).split():
        if bare(word) and bare(word).casefold() not in before:
            runs[-1].append(word)
        else:
            runs.append([])
    return [" ".join(run) for run in runs if run]


def _plan(arguments: Any) -> tuple[tuple[str, JsonObject], ...]:
    calls = arguments.get("calls") if isinstance(arguments, dict) else None
    return tuple(
        (call["tool"], call["arguments"])
        for call in calls or ()
        if isinstance(call, dict)
        and isinstance(call.get("tool"), str)
        and isinstance(call.get("arguments"), dict)
    )
