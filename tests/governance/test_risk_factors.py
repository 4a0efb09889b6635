"""What in a call's arguments raises its risk: recipients outside, sensitive data, and many at once."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance import gate
from governance.policies import recipients
from governance.policies.models import RiskProfile
from governance.policies.risk import Profile, assess
from governance.types import EffectClass, PolicyRequest, Risk
from tests.governance.samples import NOW, proposal, refund

LOW, MEDIUM, HIGH, CRITICAL = Risk
HOME = Profile(home_domains=("acme.example",))


def call(arguments: dict[str, Any], **tool: Any) -> PolicyRequest:
    return refund(**{"risk": LOW, "reversible": True, **tool}).with_arguments(arguments)


def codes(request: PolicyRequest, profile: Profile = HOME, sensitive: tuple[str, ...] = ()) -> set[str]:
    return {fact.code for fact in assess(request, (), profile=profile, sensitive=sensitive).facts}


class TestOutside:
    @pytest.mark.parametrize(
        "value",
        [
            "eve@evil.example",
            "Eve <eve@evil.example>",
            "eve@acme.example.evil.example",
            "eve@notacme.example",
            "eve@\u0430cme.example",  # a Cyrillic letter
            "bob@acme.example, eve@evil.example",
            "bob@acme.example;eve@evil.example",
            "mailto:eve@evil.example",
            "https://evil.example/drop",
            "https://acme.example@evil.example/",
            "HTTPS://EVIL.EXAMPLE",
            "ftp://evil.example",
            "https://[broken",
            ["bob@acme.example", "eve@evil.example"],
            {"to": [{"address": "eve@evil.example"}]},
        ],
    )
    def test_is_told_wherever_the_address_stands(self, value: Any) -> None:
        request = call({"to": value})
        assert codes(request) == {"outside-recipient"}
        assert assess(request, (), profile=HOME).risk is MEDIUM

    @pytest.mark.parametrize(
        "value",
        [
            "bob@acme.example",
            "Bob <bob@ACME.example>",
            "bob@mail.acme.example",
            "https://wiki.acme.example/page",
            "Please write to eve@evil.example when you are done.",
            "no address",
            "@",
            "",
            7,
            None,
        ],
    )
    def test_is_not_said_of_what_is_inside_or_no_recipient(self, value: Any) -> None:
        assert codes(call({"to": value})) == set()

    def test_is_everybody_where_no_home_is_known(self) -> None:
        assert codes(call({"to": "bob@acme.example"}), Profile()) == {"outside-recipient"}

    def test_does_not_matter_to_a_call_that_only_reads(self) -> None:
        request = call({"to": "eve@evil.example"}, effect=EffectClass.READ)
        assert assess(request, (), profile=HOME, sensitive=("email",)).risk is LOW

    def test_of_a_call_that_cannot_be_undone_is_high(self) -> None:
        assert assess(call({"to": "eve@evil.example"}, reversible=False), (), profile=HOME).risk is HIGH

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda s: st.lists(s) | st.dictionaries(st.text(), s),
        )
    )
    def test_is_asked_of_any_json(self, value: Any) -> None:
        recipients.outside({"v": value}, ("acme.example",))
        recipients.at_once({"v": value})
        recipients.names_all({"v": value})


class TestSensitive:
    def test_raises_and_is_high_when_it_leaves(self) -> None:
        inside, out = call({"to": "bob@acme.example"}), call({"to": "eve@evil.example"})
        assert assess(inside, (), profile=HOME, sensitive=("iban",)).risk is MEDIUM
        assert assess(out, (), profile=HOME, sensitive=("iban",)).risk is HIGH
        assert codes(out, HOME, ("iban",)) == {"outside-recipient", "sensitive-data-leaves"}


class TestBulk:
    @pytest.mark.parametrize(
        ("value", "many"),
        [
            (list(range(20)), True),
            (list(range(19)), False),
            (", ".join(f"p{n}@acme.example" for n in range(20)), True),
            ("*", True),
            (" ALL ", True),
            (["%"], True),
            ("all hands meeting", False),
        ],
    )
    def test_is_told_from_its_number_on(self, value: Any, many: bool) -> None:
        request = call({"ids": value})
        assert (codes(request), assess(request, (), profile=HOME).risk) == (
            ({"bulk"}, HIGH) if many else (set(), LOW)
        )

    def test_never_lowers_a_risk(self) -> None:
        request = call({"ids": "*"}, risk=CRITICAL)
        assert assess(request, (), profile=HOME).risk is CRITICAL


class TestOfATenant:
    def test_decides_from_the_commit_that_changes_it(self, agent: Any, oscar: Any) -> None:
        request = proposal(
            agent=agent, user=oscar, tool="send_email", to="bob@acme.example", subject="s", body="b"
        )
        request = replace(request, tool=replace(request.tool, risk=LOW))
        assert gate.authorize(request, now=NOW).requirement is not None
        RiskProfile.objects.update(home_domains=["acme.example"])
        assert gate.authorize(request, now=NOW).requirement is None
