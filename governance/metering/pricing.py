"""What a call costs and may cost. Pure, and in integers throughout.

A charge is rounded up once, over the sum of its parts, so that no call is ever counted below its price.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from governance.metering.types import MILLION, Charge, PriceKind, PriceRule
from tenants.kernel.jsonvalues import canonical

TOKENS_PER_MESSAGE = 16
"""What endpoints add around a message or a tool, at most."""


@dataclass(frozen=True, kw_only=True)
class Tariff:
    """The prices of one model. Cached tokens cost what other input costs where they have no price."""

    input: PriceRule | None = None
    cached: PriceRule | None = None
    output: PriceRule | None = None

    @property
    def is_known(self) -> bool:
        """Tell whether a call can be priced."""
        return self.input is not None and self.output is not None


def price_of(prices: Sequence[PriceRule], name: str, kind: PriceKind, *, at: datetime) -> PriceRule | None:
    """Return the price in force: the most specific pattern that matches, and of its rows the latest.

    A name in full is the most specific, then the pattern with the most letters. Of two rows valid from the
    same moment the later one corrects the other.
    """
    matching = (
        price
        for price in prices
        if price.kind is kind and price.valid_from <= at and fnmatchcase(name, price.pattern)
    )
    return max(
        matching, key=lambda p: (p.pattern == name, _letters(p.pattern), p.valid_from, p.id), default=None
    )


def tariff_of(prices: Sequence[PriceRule], model: str, *, at: datetime) -> Tariff:
    """Return the prices of a model in force."""
    return Tariff(
        input=price_of(prices, model, PriceKind.INPUT, at=at),
        cached=price_of(prices, model, PriceKind.CACHED, at=at),
        output=price_of(prices, model, PriceKind.OUTPUT, at=at),
    )


def charge(tariff: Tariff, *, input_tokens: int, cached_tokens: int, output_tokens: int) -> Charge:
    """Return what the tokens cost; `cached_tokens` are a part of `input_tokens`."""
    cached_tokens = min(cached_tokens, input_tokens)
    tokens: dict[str, Any] = {
        "input_tokens": input_tokens,
        "cached_tokens": cached_tokens,
        "output_tokens": output_tokens,
    }
    if tariff.input is None or tariff.output is None:
        return Charge(micros=None, **tokens)
    cached = tariff.cached or tariff.input
    total = (
        (input_tokens - cached_tokens) * tariff.input.micros
        + cached_tokens * cached.micros
        + output_tokens * tariff.output.micros
    )
    used = dict.fromkeys(price.id for price in (tariff.input, cached, tariff.output))
    return Charge(micros=-(-total // MILLION), prices=tuple(used), **tokens)


def at_most(
    tariff: Tariff, *, messages: Sequence[Any], tools: Sequence[Any], max_output_tokens: int
) -> Charge:
    """Return an upper bound of what a request costs before it is sent."""
    return charge(
        tariff,
        input_tokens=tokens_at_most(messages, tools),
        cached_tokens=0,
        output_tokens=max_output_tokens,
    )


def tokens_at_most(messages: Sequence[Any], tools: Sequence[Any]) -> int:
    """Return an upper bound of the tokens of a request: one for each byte of its JSON, and some for each message.

    Byte-level tokenizers, which every current chat model has, make at most one token of a byte.
    """
    parts = [*messages, *tools]
    return sum(len(canonical(part)) for part in parts) + TOKENS_PER_MESSAGE * (len(parts) + 1)


def _letters(pattern: str) -> int:
    return len(pattern) - pattern.count("*") - pattern.count("?")
