"""What is stored comes back from jsonb with the hash it was stored with."""

import hashlib
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.kernel.errors import InvalidInput
from tenants.kernel.jsonvalues import MAX_LEVELS, TOO_DEEP, canonical, sha256_hex, storable

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None))
    | st.text(st.sampled_from("a\x00\ud800\udfff\ufffd😀"))
)
VALUES = st.recursive(
    SCALARS | st.binary() | st.decimals(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner, inner)
    ),
    max_leaves=20,
)


def through_jsonb(value: Any) -> Any:
    """Return the value as PostgreSQL gives it back: jsonb keeps a number's decimal digits, not its exponent."""
    text = json.dumps(value, allow_nan=False)
    text.encode("utf-8")
    if "\\u0000" in text.replace("\\\\", ""):
        raise ValueError("jsonb refuses NUL")
    return json.loads(text, parse_float=_numeric)


def _numeric(text: str) -> float | int:
    digits = format(Decimal(text), "f")
    return float(digits) if "." in digits else int(digits)


class TestStorable:
    @given(VALUES)
    def test_has_the_same_hash_after_a_trip_through_jsonb(self, value: Any) -> None:
        kept = storable(value)
        assert canonical(through_jsonb(kept)) == canonical(kept)

    @given(VALUES)
    def test_changes_nothing_the_second_time(self, value: Any) -> None:
        assert storable(storable(value)) == storable(value)

    @pytest.mark.parametrize("value", [None, True, 0, -1, 2**53 - 1, 1.5, "é", [1], {"a": [{"b": None}]}])
    def test_leaves_ordinary_values_alone(self, value: Any) -> None:
        assert storable(value) == value
        assert type(storable(value)) is type(value)

    @pytest.mark.parametrize(
        ("value", "kept"),
        [
            ("a\x00b", "a\ufffdb"),
            ("\ud800", "\ufffd\ufffd\ufffd"),
            (2**53, str(2**53)),
            (-(2**60), str(-(2**60))),
            (float("inf"), "inf"),
            (float("nan"), "nan"),
            ((1, 2), [1, 2]),
            ({1: "a"}, {"1": "a"}),
            ({"a\x00": 1}, {"a\ufffd": 1}),
            (Decimal("1.50"), "1.50"),
            (b"x", "b'x'"),
        ],
    )
    def test_turns_what_cannot_be_kept_into_text(self, value: Any, kept: Any) -> None:
        assert storable(value) == kept

    @pytest.mark.parametrize("value", [1e16, 1e22, -1e22, 1.7976931348623157e308])
    def test_turns_floats_that_jsonb_gives_back_as_big_integers_into_text(self, value: float) -> None:
        assert storable(value) == str(value)

    @pytest.mark.parametrize("value", [1e15, 9007199254740991.0, 5e-324, -0.0, 0.1 + 0.2])
    def test_keeps_other_floats(self, value: float) -> None:
        assert storable(value) == value
        assert canonical(through_jsonb(value)) == canonical(value)


class TestNesting:
    def nested(self, levels: int) -> Any:
        value: Any = "core"
        for n in range(levels):
            value = [value] if n % 2 else {"a": value}
        return value

    def test_up_to_the_limit_is_kept(self) -> None:
        assert storable(self.nested(MAX_LEVELS)) == self.nested(MAX_LEVELS)

    @pytest.mark.parametrize("levels", [MAX_LEVELS + 1, 300, 900, 100_000])
    def test_below_the_limit_becomes_a_mark(self, levels: int) -> None:
        kept = storable(self.nested(levels))
        assert kept != self.nested(MAX_LEVELS + 1)
        assert TOO_DEEP in canonical(kept).decode()

    def test_without_end_becomes_a_mark(self) -> None:
        loop: list[Any] = []
        loop.append(loop)
        assert TOO_DEEP in canonical(storable(loop)).decode()

    def test_at_the_limit_leaves_room_on_the_stack(self) -> None:
        def deeper(levels: int) -> bytes:
            return deeper(levels - 1) if levels else canonical(storable(self.nested(MAX_LEVELS)))

        assert deeper(400)


class TestCanonical:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ({"b": 1, "a": 2}, '{"a":2,"b":1}'),
            ({"é": 1, "z": 2}, '{"z":2,"é":1}'),
            ([1.0, 1e-7, 333333333.33333329, 4.50], "[1,1e-7,333333333.3333333,4.5]"),
            ('\u20ac$\x0f\nA\'B"\\\\"/', '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'),
            (True, "true"),
        ],
    )
    def test_is_rfc_8785(self, value: Any, text: str) -> None:
        assert canonical(value).decode() == text

    @pytest.mark.parametrize(
        "value", [float("nan"), float("-inf"), 2**53 + 1, -(2**53) - 1, {1: 2}, {"a"}, object(), "\ud800"]
    )
    def test_refuses_what_has_no_canonical_form(self, value: Any) -> None:
        with pytest.raises(InvalidInput):
            canonical(value)

    def test_refuses_nesting_without_end(self) -> None:
        loop: list[Any] = []
        loop.append(loop)
        with pytest.raises(InvalidInput):
            canonical(loop)

    def test_hash_is_sha_256_of_the_form(self) -> None:
        assert sha256_hex({"a": 1}) == hashlib.sha256(b'{"a":1}').hexdigest()


class TestDatabase:
    @pytest.mark.parametrize("value", [1e15, 2**53 - 1, 0.1, 1e-7, "\ufffd😀", {"é": [None, True]}])
    def test_agrees_with_the_model_of_jsonb_used_here(self, acme: Any, value: Any) -> None:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("SELECT %s::jsonb::text", [json.dumps(value)])
            assert canonical(json.loads(cursor.fetchone()[0])) == canonical(through_jsonb(value))

    def test_gives_a_big_float_back_as_an_integer(self, acme: Any) -> None:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("SELECT '1e22'::jsonb::text")
            assert json.loads(cursor.fetchone()[0]) == through_jsonb(1e22) == 10**22
            assert isinstance(through_jsonb(1e22), int)
