"""Prices in integers: nothing is ever counted below its price, and no float comes near it."""

import json
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.metering import anomalies, pricing
from governance.metering.pricing import Tariff
from governance.metering.types import MILLION, PriceKind, PriceRule
from governance.metering.words import dollars
from tests.governance.samples import NOW

COUNTS = st.integers(min_value=0, max_value=10**7)
PRICES = st.integers(min_value=0, max_value=10**9)


def price(
    kind: PriceKind, micros: int, *, pattern: str = "m", since: datetime = NOW, pk: str = ""
) -> PriceRule:
    return PriceRule(id=pk or f"{kind}{micros}", pattern=pattern, kind=kind, micros=micros, valid_from=since)


def tariff(into: int, out: int, cached: int | None = None) -> Tariff:
    return Tariff(
        input=price(PriceKind.INPUT, into),
        cached=None if cached is None else price(PriceKind.CACHED, cached),
        output=price(PriceKind.OUTPUT, out),
    )


class TestACharge:
    @given(COUNTS, COUNTS, COUNTS, PRICES, PRICES, PRICES)
    def test_is_the_exact_sum_rounded_up_once(
        self, given_in: int, given_cached: int, given_out: int, into: int, cached: int, out: int
    ) -> None:
        found = pricing.charge(
            tariff(into, out, cached),
            input_tokens=given_in, cached_tokens=given_cached, output_tokens=given_out,
        )  # fmt: skip
        hit = min(given_cached, given_in)
        exact = Fraction((given_in - hit) * into + hit * cached + given_out * out, MILLION)
        assert type(found.micros) is int
        assert 0 <= found.micros - exact < 1

    @given(COUNTS, COUNTS, PRICES, PRICES)
    def test_never_falls_with_more_tokens(self, given_in: int, given_out: int, into: int, out: int) -> None:
        def cost(i: int, o: int) -> int:
            return (
                pricing.charge(tariff(into, out), input_tokens=i, cached_tokens=0, output_tokens=o).micros
                or 0
            )

        assert cost(given_in, given_out) <= min(cost(given_in + 1, given_out), cost(given_in, given_out + 1))

    def test_prices_cached_tokens_apart_and_like_others_where_they_have_no_price(self) -> None:
        used: dict[str, Any] = {"input_tokens": 1_000_000, "cached_tokens": 400_000, "output_tokens": 0}
        assert pricing.charge(tariff(400_000, 1, 100_000), **used).micros == 240_000 + 40_000
        assert pricing.charge(tariff(400_000, 1), **used).micros == 400_000

    def test_is_unknown_without_a_price(self) -> None:
        found = pricing.charge(Tariff(), input_tokens=5, cached_tokens=0, output_tokens=5)
        assert (found.micros, found.input_tokens) == (None, 5)

    def test_names_its_prices(self) -> None:
        found = pricing.charge(tariff(1, 2, 3), input_tokens=1, cached_tokens=1, output_tokens=1)
        assert found.prices == ("input1", "cached3", "output2")


class TestAnEstimate:
    @given(st.text(max_size=300), st.integers(min_value=1, max_value=9000))
    def test_is_above_any_reply(self, text: str, cap: int) -> None:
        """A byte-level tokenizer makes at most one token of each byte."""
        messages = [{"role": "user", "content": text}]
        most = pricing.at_most(tariff(7, 11), messages=messages, tools=[], max_output_tokens=cap)
        tokens = len(json.dumps(messages, ensure_ascii=False).encode()) - 2
        actual = pricing.charge(tariff(7, 11), input_tokens=tokens, cached_tokens=0, output_tokens=cap)
        assert (most.micros or 0) >= (actual.micros or 0)
        assert most.output_tokens == cap


class TestAPrice:
    def test_is_the_latest_of_the_most_specific_pattern(self) -> None:
        old, new = NOW - timedelta(days=9), NOW - timedelta(days=1)
        rows = [
            price(PriceKind.INPUT, 1, pattern="*", since=new),
            price(PriceKind.INPUT, 2, pattern="gpt-4.1*", since=new),
            price(PriceKind.INPUT, 3, pattern="gpt-4.1-mini*", since=old),
            price(PriceKind.INPUT, 4, pattern="gpt-4.1-mini*", since=new),
            price(PriceKind.INPUT, 5, pattern="gpt-4.1-mini*", since=NOW + timedelta(days=1)),
            price(PriceKind.OUTPUT, 6, pattern="gpt-4.1-mini*", since=new),
        ]

        def of(name: str, at: datetime = NOW) -> int | None:
            found = pricing.price_of(rows, name, PriceKind.INPUT, at=at)
            return found.micros if found else None

        assert [of("gpt-4.1-mini-2025-04-14"), of("gpt-4.1"), of("llama")] == [4, 2, 1]
        assert of("gpt-4.1-mini", NOW - timedelta(days=2)) == 3
        assert of("gpt-4.1-mini", NOW + timedelta(days=1)) == 5
        assert of("gpt-4.1-mini", datetime(2020, 1, 1, tzinfo=UTC)) is None

    def test_in_full_is_above_every_pattern(self) -> None:
        rows = [price(PriceKind.INPUT, 1, pattern="ab"), price(PriceKind.INPUT, 2, pattern="ab*")]
        found = pricing.price_of(rows, "ab", PriceKind.INPUT, at=NOW)
        assert found is not None
        assert found.micros == 1

    def test_is_corrected_by_a_later_row_of_the_same_moment(self) -> None:
        rows = [price(PriceKind.INPUT, 1, pk="01"), price(PriceKind.INPUT, 2, pk="02")]
        found = pricing.price_of(rows, "m", PriceKind.INPUT, at=NOW)
        assert found is not None
        assert found.micros == 2


@pytest.mark.parametrize(
    ("micros", "words"),
    [
        (0, "$0.00"), (1, "$0.000001"), (150_000, "$0.15"), (1_234_567, "$1.23"), (1_235_000, "$1.24"),
        (999_999_999_999, "$1,000,000.00"), (-70_000, "-$0.07"),
    ],
)  # fmt: skip
def test_dollars(micros: int, words: str) -> None:
    assert dollars(micros) == words


class TestAnAnomaly:
    def test_is_far_above_the_median_of_two_weeks(self) -> None:
        usual = [100, 110, 90, 105, 95, 100, 102, 98, 100, 100, 101, 99, 100, 97]
        found = anomalies.judge(today=500, before=usual)
        assert (found.is_anomaly, found.median, found.mad) == (True, 100, 1)
        assert not anomalies.judge(today=104, before=usual).is_anomaly

    def test_needs_some_days_and_more_than_cents(self) -> None:
        assert not anomalies.judge(today=10**9, before=[1] * 3 + [0] * 11).is_anomaly

    def test_of_an_even_past_is_what_is_far_above_it(self) -> None:
        even = [MILLION] * 14
        assert not anomalies.judge(today=MILLION + 100_000, before=even).is_anomaly
        assert anomalies.judge(today=2 * MILLION, before=even).is_anomaly
