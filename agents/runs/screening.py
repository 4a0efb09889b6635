"""Guardrails over what a run reads and says: results of tools before a model sees them, and its answer."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from agents.runs import handoffs
from agents.runs.hold import Hold
from agents.runs.models import Run, Step
from governance.guardrails import operations as redactions
from governance.guardrails.engine import Screening
from governance.guardrails.types import Action, Stage
from governance.types import Decision, Outcome, Removed
from tenants.kernel.jsonvalues import JsonObject, storable


@dataclass(frozen=True, kw_only=True)
class Screened:
    """What a tool's call led to, after guardrails: nothing of what they took out stands in it."""

    outcome: Outcome
    findings: tuple[JsonObject, ...] = ()
    removed: tuple[Removed, ...] = ()
    held: str = ""
    """Why a person takes the run over; empty if nobody does."""
    marks: JsonObject = field(default_factory=dict)
    """What the step keeps: `flagged` where the result makes the run untrusted."""


def of_outcome(hold: Hold, step: Step, outcome: Outcome) -> Screened:
    """Look through a tool's result and the words of its failure, before anything of it is stored or read."""
    told = {"result": outcome.value, "error": outcome.error}
    seen = hold.guardrails.screen(told, Stage.TOOL_OUTPUT, agent=hold.run.snapshot["agent"], tool=step.name)
    if not seen.hits:
        return Screened(outcome=outcome)
    left = seen.value
    if seen.action in {Action.BLOCK, Action.REQUIRE_APPROVAL}:
        left = _withheld(step, outcome, seen)
    findings = tuple(seen.told())
    return Screened(
        outcome=replace(
            outcome,
            value=left["result"],
            error=left["error"],
            facts={**outcome.facts, "guardrails": list(findings)},
        ),
        findings=findings,
        removed=seen.removed,
        held=_why_held(step.name, seen) if outcome.ok else "",
        marks={"flagged": True} if seen.is_untrusted else {},
    )


def _withheld(step: Step, outcome: Outcome, seen: Screening) -> JsonObject:
    """Return what stands in place of a result that may not be read: the call has run, whatever it returned."""
    action = seen.action or Action.BLOCK
    notice = f"{step.name} ran; what it said was withheld by a guardrail: {seen.words(action)}."
    return {
        "result": {"notice": notice} if outcome.ok else None,
        "error": "" if outcome.ok else notice,
    }


def _why_held(name: str, seen: Screening) -> str:
    if seen.action is not Action.REQUIRE_APPROVAL:
        return ""
    return f"What {name} returned was held back: {seen.words(Action.REQUIRE_APPROVAL)}."


def keep(screened: Screened, *, run: Run, step: Step, now: datetime) -> None:
    """Store what was found in a tool's result; nothing is written where nothing was."""
    if screened.findings:
        redactions.keep(
            findings=screened.findings,
            removed=screened.removed,
            stage=Stage.TOOL_OUTPUT,
            run_id=str(run.pk),
            step_id=str(step.pk),
            now=now,
        )


def given_back(hold: Hold, step: Step, decision: Decision) -> JsonObject | None:
    """Return the arguments with the originals of tokens that this tool may have, and record which; None without."""
    request = decision.request
    checks = hold.guardrails.given_back(agent=request.agent.name, tool=request.tool.name)
    arguments, tokens = redactions.for_tool(request.arguments, run_id=str(hold.run.pk), checks=checks)
    if not tokens:
        return None
    hold.audit("guardrail.restored", step=step, outcome="ok", body={"tool": step.name, "tokens": tokens})
    return arguments


def finish(hold: Hold, output: dict[str, Any]) -> None:
    """End the run with its answer, after guardrails: without what they take out, or not at all."""
    seen = hold.guardrails.screen(storable(output), Stage.OUTPUT, agent=hold.run.snapshot["agent"])
    if not seen.hits:
        hold.succeed(output)
        return
    told = seen.told()
    redactions.keep(
        findings=told,
        removed=seen.removed,
        stage=Stage.OUTPUT,
        run_id=str(hold.run.pk),
        step_id=None,
        now=hold.clock(),
    )
    match seen.action:
        case Action.BLOCK:
            hold.give_up("output-blocked", f"The answer holds what may not pass: {seen.words(Action.BLOCK)}.")
        case Action.REQUIRE_APPROVAL:
            handoffs.ask(hold, why=f"The answer was held back: {seen.words(Action.REQUIRE_APPROVAL)}.")
        case _:
            hold.succeed(seen.value, guardrails=told)
