"""What a worker books while it holds a run: each call's reservation before it, its cost after it.

A transaction settles the call that has ended together with the reservation for the next one; where it makes
none, `book` at its end does. Without a budget that counts the run's calls, nothing is asked of the database.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from agents.blueprints.base import AgentConfig
from agents.llm.client import ModelUnavailable
from agents.llm.types import Reply, Usage
from agents.runs.models import Run, Step
from agents.tools.models import Tool
from governance.metering import operations as metering
from governance.metering import pace, pricing
from governance.metering.operations import Held, Settlement, Wish
from governance.metering.pricing import Tariff
from governance.metering.types import (
    FREE,
    BudgetExceeded,
    Called,
    CallKind,
    Charge,
    MeteringRules,
    PriceKind,
    PriceUnknown,
    Spender,
)
from governance.metering.words import dollars
from governance.rulebook import parts as rulebook
from governance.types import EffectClass, Outcome
from tenants.kernel.context import require_schema
from tenants.kernel.rates import RatesUnavailable

WITHOUT_REDIS_S = 5.0
BYTES_PER_TOKEN = 4
GRACE_S = 60
"""Seconds after the latest end of a call until it counts as lost."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What was agreed before a call: its prices, what it may cost, and what is held for it."""

    called: Called
    tariff: Tariff
    estimate: Charge
    held: Held | None

    def cost_of(self, result: Reply | ModelUnavailable) -> Charge | None:
        """Return what a model call cost; None where nobody knows."""
        if isinstance(result, ModelUnavailable):
            return None if result.may_be_billed else FREE
        return self.charge(result.usage)

    def charge(self, usage: Usage) -> Charge | None:
        """Return what the tokens cost; None where the endpoint does not say what it used."""
        if not usage.input_tokens and not usage.output_tokens:
            return None
        return pricing.charge(
            self.tariff,
            input_tokens=usage.input_tokens,
            cached_tokens=usage.cached_tokens,
            output_tokens=usage.output_tokens,
        )


class Spending:
    """The bookings of one transaction after another."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._rules = MeteringRules()
        self._ended: list[Settlement] = []
        self._now = run.created_at
        self._under_way: Terms | None = None

    def begin(self, revisions: tuple[UUID, UUID] | None, *, now: datetime) -> None:
        """Start over with the rules in force: what an earlier transaction did not commit is forgotten."""
        self._rules = rulebook.of(revisions)["metering"] if revisions else MeteringRules()
        self._ended = []
        self._now = now

    @property
    def spender(self) -> Spender:
        """Return who calls."""
        run = self.run
        return Spender(
            tenant=require_schema(),
            user_id=run.requester_id,
            user_name=run.requester.username,
            agent_id=str(run.agent_id),
            agent_name=run.snapshot["agent"],
            run_id=str(run.pk),
            run_started_at=run.created_at,
        )

    def agree_on_model(
        self,
        step: Step,
        *,
        model: str,
        attempt: int,
        messages: Any,
        tools: Any,
        max_output_tokens: int,
        max_cost: int | None,
    ) -> Terms:
        """Reserve for a model call; raises BudgetExceeded or PriceUnknown where a budget does not admit it."""
        tariff = pricing.tariff_of(self._rules.prices, model, at=self._now)
        called = _called(CallKind.MODEL, step, name=model, attempt=attempt)
        estimate, spender = Charge(micros=None), self.spender
        if max_cost is not None or metering.needs_estimate(self._rules, spender):
            estimate = pricing.at_most(
                tariff, messages=messages, tools=tools, max_output_tokens=max_output_tokens
            )
        self._check_run(estimate, max_cost)
        ends_by = self._now + timedelta(seconds=settings.MODEL_TIMEOUT_S + GRACE_S)
        held = self._reserve(Wish(called=called, spender=spender, estimate=estimate, expires_at=ends_by))
        return Terms(called=called, tariff=tariff, estimate=estimate, held=held)

    def why_not(self, step: Step, tool: Tool, *, config: AgentConfig) -> BudgetExceeded | None:
        """Reserve for a tool call; return why a budget does not admit it, if one does not. Free calls ask nothing."""
        called = _called(CallKind.TOOL, step, name=tool.name, attempt=step.attempts + 1)
        price, held = self.price_of(tool), None
        if price.micros:
            ends_by = self._now + timedelta(seconds=tool.timeout_s + GRACE_S)
            wish = Wish(called=called, spender=self.spender, estimate=price, expires_at=ends_by)
            try:
                self._check_run(price, config.max_cost_micros)
                held = self._reserve(wish)
            except BudgetExceeded as error:
                return error
        self._under_way = Terms(called=called, tariff=Tariff(), estimate=price, held=held)
        return None

    def price_of(self, tool: Tool) -> Charge:
        """Return what one call of the tool costs: what the tool says itself, else what the list of prices says."""
        if tool.cost_micros:
            return Charge(micros=tool.cost_micros)
        price = pricing.price_of(self._rules.prices, tool.name, PriceKind.TOOL_CALL, at=self._now)
        return Charge(micros=price.micros, prices=(price.id,)) if price else FREE

    def too_fast(self, messages: Any, tools: Any, *, max_output_tokens: int, now: datetime) -> float:
        """Count a request to a model against the limits per minute; return the seconds to wait, 0 for none.

        As providers count them, tokens are those of the request, at four bytes each, and the cap of the answer.
        Called outside any transaction: Redis is asked.
        """
        rules, spender = self._rules, self.spender
        if not rules.rates:
            return 0.0
        try:
            wait_s = pace.wait_s(rules, spender, unit=pace.UNITS.REQUESTS, now=now)
            if wait_s or not pace.applying(rules, spender, pace.UNITS.TOKENS):
                return wait_s
            tokens = pricing.tokens_at_most(messages, tools) // BYTES_PER_TOKEN + max_output_tokens
            return pace.wait_s(rules, spender, unit=pace.UNITS.TOKENS, amount=tokens, now=now)
        except RatesUnavailable:
            return 0.0 if settings.RATE_LIMITS_FAIL_OPEN else WITHOUT_REDIS_S

    def why_too_fast(self, tool: Tool, *, now: datetime) -> Outcome | None:
        """Count a tool call against the limits per minute; return what it led to if it may not be made now.

        Without Redis nothing that changes anything is called, whatever the operator chose for the rest.
        """
        if not self._rules.rates:
            return None
        try:
            wait_s = pace.wait_s(self._rules, self.spender, unit=pace.UNITS.TOOL_CALLS, now=now)
        except RatesUnavailable:
            limited = pace.applying(self._rules, self.spender, pace.UNITS.TOOL_CALLS)
            reads = tool.effect == EffectClass.READ
            wait_s = WITHOUT_REDIS_S if limited and not (reads and settings.RATE_LIMITS_FAIL_OPEN) else 0.0
        if not wait_s:
            return None
        message = f"As many calls of tools as a minute may hold were made. Try again in {wait_s:.0f} s."
        return Outcome(
            ok=False,
            error=message,
            started=False,
            transient=True,
            retry_after_s=wait_s,
            facts={"too_fast": True},
        )

    @staticmethod
    def is_healthy(outcome: Outcome) -> bool:
        """Tell whether a call says nothing against its tool: one that we held back does not."""
        held_back = "too_fast" in outcome.facts
        return outcome.ok or held_back or not (outcome.transient or outcome.unknown)

    def ended(self, terms: Terms, actual: Charge | None) -> None:
        """Note what a call cost, None where nobody knows: then it counts as estimated. Booked later."""
        if actual is None and terms.held is None:
            actual = terms.estimate if terms.estimate.micros is not None else FREE
        self._ended.append(
            Settlement(held=terms.held, called=terms.called, spender=self.spender, actual=actual)
        )

    def call_ended(self, outcome: Outcome) -> None:
        """Note what the tool call under way cost: its price once it was started, as estimated if nobody knows."""
        terms = self._under_way
        if terms is not None and terms.estimate.micros:
            self.count(terms.estimate if outcome.started else FREE)
            self.ended(terms, _of_call(terms, outcome))

    def call_ended_late(self, outcome: Outcome, *, now: datetime) -> None:
        """Settle the tool call under way, whose run belongs to somebody else by now."""
        terms = self._under_way
        if terms is not None and terms.estimate.micros:
            self.settle_late(terms, _of_call(terms, outcome), now=now)

    @transaction.atomic
    def settle_late(self, terms: Terms, actual: Charge | None, *, now: datetime) -> None:
        """Settle a call whose run belongs to somebody else by now, in a transaction of its own.

        Nothing is put on record twice, should a commit have gone through that seemed to fail.
        """
        self._ended, self._now = [], now
        if terms.held is None and metering.is_recorded(terms.called, now=now):
            return
        self.ended(terms, actual)
        self.book()

    def count(self, charge: Charge) -> None:
        """Add to what the run has cost; the next fence stores it."""
        if charge.micros is not None and (charge.micros or charge.input_tokens or charge.output_tokens):
            self.run.cost_micros = (self.run.cost_micros or 0) + charge.micros

    def book(self) -> None:
        """Book what has ended, if nothing was reserved since."""
        if self._ended:
            self._book(None)

    def _reserve(self, wish: Wish) -> Held | None:
        if not self._ended and not self._rules.budgets:
            return None
        return self._book(wish)

    def _book(self, wish: Wish | None) -> Held | None:
        ended, self._ended = self._ended, []
        return metering.book(rules=self._rules, settlements=ended, wish=wish, now=self._now)

    def _check_run(self, estimate: Charge, max_cost: int | None) -> None:
        spent = self.run.cost_micros or 0
        if max_cost is not None and estimate.micros is None:
            raise PriceUnknown(
                "The model has no price, and the agent's max_cost_micros is in money. An administrator adds the "
                "price, 0 for a model that is free."
            )
        if max_cost is not None and spent + (estimate.micros or 0) > max_cost:
            raise BudgetExceeded(
                f"One run of this agent may cost {dollars(max_cost)}: {dollars(spent)} are spent, and the next call "
                f"may cost {dollars(estimate.micros or 0)}. An administrator can raise it in the agent's settings "
                "(max_cost_micros).",
                scope="run",
                unit="micros",
                limit=max_cost,
                spent=spent,
                wanted=estimate.micros or 0,
            )


def _called(kind: CallKind, step: Step, *, name: str, attempt: int) -> Called:
    """Return the attempt with a key that no other has: a step may try several models, and each several times."""
    key = f"{step.pk}:{step.request.get('tried', 1)}.{attempt}"
    if step.request.get("slowed"):
        key += f".{step.request['slowed']}"
    return Called(kind=kind, name=name, step_id=str(step.pk), key=key)


def _of_call(terms: Terms, outcome: Outcome) -> Charge | None:
    if not outcome.started:
        return FREE
    return None if outcome.unknown and terms.held is not None else terms.estimate
