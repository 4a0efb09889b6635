"""How rules are combined: their order changes nothing, adding one never loosens, and nothing permits by itself."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.policies import engine
from governance.policies.engine import RuleSet, judge
from governance.policies.rules import Layer, Rule, RuleEffect, compile_rule
from governance.types import Effect, EffectClass, Opinion, PolicyRequest
from tenants.kernel.errors import InvalidInput
from tenants.kernel.jsonvalues import canonical
from tests.governance.rules import document, leaf, rule, rules
from tests.governance.samples import NOW, REFUND, refund

STRICT = {None: 0, Effect.PERMIT: 0, Effect.REQUIRE_APPROVAL: 1, Effect.DENY: 2}
ALLOW = rule("allow", slug="allow-all")
READ = refund(effect=EffectClass.READ)
FRIDAY = datetime(2026, 3, 6, 16, 0, tzinfo=UTC)


def said(*enforced: Rule, request: PolicyRequest = REFUND, now: datetime = NOW, **values: Any) -> Opinion:
    return judge(request, user={"groups": ["finance"]}, rules=rules(*enforced, **values), now=now)


class TestDefault:
    def test_refuses_what_changes_something(self) -> None:
        opinion = said()
        assert (opinion.effect, opinion.reasons[0].code) == (Effect.DENY, "no-rule")

    def test_lets_pass_what_only_reads_unless_the_tenant_says_otherwise(self) -> None:
        assert said(request=READ).effect is None
        assert said(request=READ, read_only_may=False).effect is Effect.DENY

    def test_is_lifted_by_an_allow_which_permits_nothing_itself(self) -> None:
        assert said(ALLOW) == Opinion(facts={"rules": ["allow-all"]})

    def test_is_lifted_by_a_rule_that_asks_people(self) -> None:
        assert said(rule("require_approval")).effect is Effect.REQUIRE_APPROVAL

    def test_is_not_lifted_by_a_redaction(self) -> None:
        redact = rule("redact", params={"paths": ["args.order_id"]})
        assert said(redact).effect is Effect.DENY

    def test_is_not_lifted_by_a_rule_for_one_agent(self) -> None:
        asks = compile_rule(document("require_approval"), layer=Layer.AGENT, agent_id=REFUND.agent.id)
        assert said(asks).effect is Effect.DENY
        assert said(ALLOW, asks).effect is Effect.REQUIRE_APPROVAL
        with pytest.raises(InvalidInput, match="only tightens"):
            rule("allow", layer=Layer.AGENT)


class TestMatch:
    @pytest.mark.parametrize(
        ("match", "fits"),
        [
            ({}, True),
            ({"tools": ["refund_*"]}, True),
            ({"tools": ["refund_order", "x"]}, True),
            ({"tools": ["*_order"]}, True),
            ({"tools": ["pay_*"]}, False),
            ({"tools": ["pay_*", "refund_?rder"]}, True),
            ({"agents": ["Support *"]}, True),
            ({"agents": ["blueprint:assistant"]}, True),
            ({"agents": ["blueprint:triage"]}, False),
            ({"agents": [REFUND.agent.id]}, True),
            ({"tools": ["refund_*"], "agents": ["HR *"]}, False),
        ],
    )
    def test_is_by_tool_and_agent(self, match: Any, fits: bool) -> None:
        request = replace(REFUND, agent=replace(REFUND.agent, blueprint="assistant"))
        opinion = said(ALLOW, rule("deny", match=match), request=request)
        assert (opinion.effect is Effect.DENY) is fits

    def test_by_tenant_is_the_platforms(self) -> None:
        for tenant, effect in [("acme", Effect.DENY), ("globex", None)]:
            deny = rule("deny", match={"tenants": [tenant]}, layer=Layer.PLATFORM)
            assert said(ALLOW, deny).effect is effect
        with pytest.raises(InvalidInput, match="Only the platform"):
            rule("deny", match={"tenants": ["acme"]})

    @pytest.mark.parametrize(
        ("valid", "now", "in_force"),
        [
            ({"windows": ["mon-fri 08:00-18:00"]}, FRIDAY, True),
            ({"windows": ["mon-fri 08:00-16:00"]}, FRIDAY, False),
            ({"windows": ["mon-fri 08:00-18:00"], "tz": "Asia/Tokyo"}, FRIDAY, False),
            ({"windows": ["fri 22:00-06:00"]}, FRIDAY + timedelta(hours=13), True),
            ({"windows": ["sat-sun 00:00-00:00"]}, FRIDAY + timedelta(hours=8), True),
            ({"windows": ["sat-sun 00:00-00:00"]}, FRIDAY, False),
            ({"from": "2026-03-06T16:00"}, FRIDAY, True),
            ({"from": "2026-03-06T16:01"}, FRIDAY, False),
            ({"until": "2026-03-06T16:00"}, FRIDAY, False),
            ({"until": "2026-03-06T17:01", "tz": "Europe/Berlin"}, FRIDAY, True),
        ],
    )
    def test_is_while_it_is_in_force(self, valid: Any, now: datetime, in_force: bool) -> None:
        opinion = said(ALLOW, rule("deny", valid=valid), now=now)
        assert (opinion.effect is Effect.DENY) is in_force


class TestApproval:
    def test_asks_as_the_strictest_of_the_rules_that_match(self) -> None:
        first = rule("require_approval", slug="one", params={"quorum": 2, "ttl_s": 600})
        second = rule(
            "require_approval",
            slug="two",
            params={"approvers": ["group:finance", "group:legal"], "ttl_s": 60},
        )
        requirement = said(first, second).requirement
        assert requirement is not None
        assert (requirement.approvals, requirement.groups, requirement.ttl_s) == (2, ("finance", "legal"), 60)
        assert not requirement.may_pass_unopposed

    def test_names_the_rule_and_its_author(self) -> None:
        made = compile_rule(document("require_approval", slug="x"), name="Large refunds", author_id=7)
        opinion = said(made)
        assert opinion.requirement is not None
        assert opinion.requirement.authors == (7,)
        assert opinion.reasons[0].rule == "policy:x"
        assert "Large refunds" in opinion.reasons[0].message

    @pytest.mark.parametrize(
        ("params", "at"),
        [
            ({"quorum": 0}, "/params/quorum"),
            ({"quorum": 11}, "/params/quorum"),
            ({"approvers": "finance"}, "/params/approvers"),
            ({"ttl_s": 5}, "/params/ttl_s"),
            ({"exclude_requester": False}, "/params/exclude_requester"),
            ({"on_timeout": "approve"}, "/params/on_timeout"),
            ({"else": 1}, "/params"),
        ],
    )
    def test_refuses_what_would_weaken_it(self, params: Any, at: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            rule("require_approval", params=params)
        assert at in {error["at"] for error in refused.value.errors}


class TestRedaction:
    REQUEST = REFUND.with_arguments(
        {"order_id": "A-1", "note": "card 4111 1111", "lines": [{"iban": "DE1"}, {"iban": "DE2"}]}
    )

    def test_applies_every_rule_that_matches(self) -> None:
        card = rule(
            "redact", slug="card", params={"paths": ["args.note"], "pattern": r"\d{4}", "replacement": r"\1#"}
        )
        iban = rule("redact", slug="iban", params={"paths": ["args.lines.*.iban", "args.not_there"]})
        for order in ([ALLOW, card, iban], [iban, card, ALLOW]):
            assert said(*order, request=self.REQUEST).arguments == {
                "order_id": "A-1",
                "note": r"card \1# \1#",
                "lines": [{"iban": "[redacted]"}, {"iban": "[redacted]"}],
            }

    def test_that_changes_nothing_is_none(self) -> None:
        redact = rule("redact", params={"paths": ["args.note"], "pattern": "nothing like it"})
        assert said(ALLOW, redact, request=self.REQUEST).arguments is None

    def test_of_a_whole_value_wins_over_one_by_pattern(self) -> None:
        part = rule("redact", slug="a", params={"paths": ["args.note"], "pattern": "redacted"})
        whole = rule("redact", slug="b", params={"paths": ["args.note"]})
        opinion = said(ALLOW, part, whole, request=self.REQUEST)
        assert opinion.arguments is not None
        assert opinion.arguments["note"] == "[redacted]"


class TestShadow:
    def test_is_recorded_and_decides_nothing(self) -> None:
        opinion = said(ALLOW, rehearsed=(ALLOW, rule("deny", slug="no-refunds")))
        assert opinion.effect is None
        assert opinion.facts["shadow"] == {"effect": "deny", "rules": ["allow-all", "no-refunds"]}


# --- properties

CONDITIONS = st.sampled_from(
    [
        None,
        leaf("args.amount", "gt", 20),
        leaf("args.amount", "gt", 900),
        leaf("args.nothing", "eq", 1),
        leaf("user.groups", "has", "finance"),
        leaf("run.integrity", "eq", "untrusted"),
        {"not": leaf("args.order_id", "glob", "A-*")},
        {"any": [leaf("args.nothing", "eq", 1), leaf("tool.risk", "eq", "high")]},
    ]
)
PARAMS = {
    "redact": {"paths": ["args.order_id"]},
    "require_approval": {"quorum": 2},
}


@st.composite
def made_rules(draw: st.DrawFn, layer: Layer | None = None, effect: str | None = None) -> Rule:
    """Return any rule, for the refund or another tool, of any layer."""
    chosen = layer or draw(st.sampled_from(Layer))
    effects = [e.value for e in RuleEffect if chosen is not Layer.AGENT or e is not RuleEffect.ALLOW]
    what = effect or draw(st.sampled_from(effects))
    made = document(
        what,
        draw(CONDITIONS),
        slug=f"r{draw(st.integers(0, 10**9))}",
        match={"tools": draw(st.sampled_from([["*"], ["refund_*"], ["pay_*"]]))},
        **({"params": PARAMS[what]} if what in PARAMS else {}),
    )
    return compile_rule(made, layer=chosen, agent_id=REFUND.agent.id if chosen is Layer.AGENT else "")


SETS = st.lists(made_rules(), max_size=8, unique_by=lambda each: each.id)
REQUESTS = st.sampled_from([REFUND, READ, replace(REFUND, influence=("read_ticket",))])


def strictness(enforced: list[Rule], request: PolicyRequest) -> int:
    return STRICT[said(*enforced, request=request).effect]


class TestAlways:
    @settings(max_examples=300, deadline=None, database=None)
    @given(enforced=SETS, added=made_rules(effect="deny"), request_=REQUESTS)
    def test_adding_a_deny_never_permits_more(
        self, enforced: list[Rule], added: Rule, request_: PolicyRequest
    ) -> None:
        assert strictness([*enforced, added], request_) >= strictness(enforced, request_)

    @settings(max_examples=300, deadline=None, database=None)
    @given(enforced=SETS, request_=REQUESTS, shuffle=st.randoms(use_true_random=False))
    def test_the_order_of_rules_changes_nothing(
        self, enforced: list[Rule], request_: PolicyRequest, shuffle: random.Random
    ) -> None:
        shuffled = list(enforced)
        shuffle.shuffle(shuffled)
        assert said(*shuffled, request=request_) == said(*enforced, request=request_)

    @settings(max_examples=300, deadline=None, database=None)
    @given(enforced=SETS, added=made_rules(layer=Layer.AGENT), request_=REQUESTS)
    def test_a_rule_for_one_agent_never_loosens(
        self, enforced: list[Rule], added: Rule, request_: PolicyRequest
    ) -> None:
        assert strictness([*enforced, added], request_) >= strictness(enforced, request_)

    @settings(max_examples=300, deadline=None, database=None)
    @given(enforced=SETS, added=st.lists(made_rules(layer=Layer.TENANT), max_size=4), request_=REQUESTS)
    def test_a_tenant_never_loosens_what_the_platform_refuses_or_asks(
        self, enforced: list[Rule], added: list[Rule], request_: PolicyRequest
    ) -> None:
        platform = [each for each in enforced if each.layer is Layer.PLATFORM]
        alone = strictness([ALLOW, *platform], request_)
        assert strictness([*platform, *added], request_) >= alone

    @settings(max_examples=200, deadline=None, database=None)
    @given(enforced=SETS, request_=REQUESTS)
    def test_the_same_bytes_give_the_same_bytes(self, enforced: list[Rule], request_: PolicyRequest) -> None:
        def answer(request: PolicyRequest) -> bytes:
            opinion = said(*enforced, request=request)
            reasons = [[r.code, r.message, r.rule] for r in opinion.reasons]
            return canonical([opinion.effect, reasons, opinion.arguments, opinion.facts])

        assert answer(PolicyRequest.from_json(request_.to_json())) == answer(request_)

    @settings(max_examples=200, deadline=None, database=None)
    @given(enforced=SETS, request_=REQUESTS)
    def test_what_redaction_left_is_not_redacted_again(
        self, enforced: list[Rule], request_: PolicyRequest
    ) -> None:
        opinion = said(*enforced, request=request_)
        if opinion.arguments is not None:
            again = said(*enforced, request=request_.with_arguments(opinion.arguments))
            assert again.arguments is None


def test_only_rules_of_a_live_point_are_asked() -> None:
    assert engine.is_asked(rule("deny"))
    assert not engine.is_asked(rule("deny", point="output"))
    assert RuleSet().enforced == ()
