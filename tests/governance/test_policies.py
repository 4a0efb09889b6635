"""Policies as rows: versions, shadow, a second person, replay, and what the gate makes of them."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from governance import gate
from governance.audit import operations as audit
from governance.audit.models import AuditEvent
from governance.audit.types import Entry
from governance.policies import packs, publishing
from governance.policies.models import Policy, PolicyDecision, PolicyDefault, PolicyVersion
from governance.policies.publishing import ReplayMissing, SecondPersonNeeded
from governance.policies.rules import Layer
from governance.types import Decision, Effect
from tenants.kernel.context import platform_context
from tenants.kernel.errors import InvalidInput, NotFound, PermissionMissing
from tests.governance.rules import document, in_force, leaf
from tests.governance.samples import NOW, approval, proposal

REFUNDS = {"tools": ["refund_*"]}
LARGE = leaf("args.amount", "gt", 20)


@pytest.fixture
def draft(alice: Any) -> Policy:
    """Return Alice's draft: refunds from 20 on are refused."""
    policy = Policy(slug="no-large-refunds", name="No large refunds", layer=Layer.TENANT)
    publishing.save_policy(policy=policy, document=document("deny", LARGE, match=REFUNDS), by=alice, now=NOW)
    return policy


def decide(agent: Any, user: Any, tool: str = "refund_order", **arguments: Any) -> Decision:
    return gate.authorize(proposal(agent=agent, user=user, tool=tool, **arguments), now=NOW)


def refund(agent: Any, user: Any, amount: float = 25.0) -> Decision:
    return decide(agent, user, order_id="A-1001", amount=amount, reason="broken")


class TestSave:
    def test_makes_a_version_that_is_not_in_force(self, draft: Policy, agent: Any, oscar: Any) -> None:
        assert (draft.latest.number, draft.active) == (1, None)
        assert refund(agent, oscar).effect is Effect.REQUIRE_APPROVAL

    def test_of_another_document_makes_the_next_version(self, draft: Policy, alice: Any) -> None:
        same = publishing.save_policy(policy=draft, document=draft.latest.document, by=alice, now=NOW)
        assert same.number == 1
        other = publishing.save_policy(policy=draft, document=document("deny"), by=alice, now=NOW)
        assert other.number == 2

    @pytest.mark.parametrize(
        ("made", "at"),
        [
            (document("deny", leaf("args.amount", "above", 5)), "/when/op"),
            (document("punish"), "/effect"),
            (document("deny", els=1), "/els"),
            (document("require_approval", params={"approvers": "group:nobody"}), "/params/approvers"),
            (document("redact", params={"paths": ["user.name"]}), "/params/paths/0"),
            (document("deny", valid={"tz": "Mars/Olympus"}), "/valid/tz"),
            (document("deny", valid={"windows": ["someday"]}), "/valid/windows/0"),
            ([], "/"),
        ],
    )
    def test_refuses_what_does_not_compile_naming_the_place(self, alice: Any, made: Any, at: str) -> None:
        policy = Policy(slug="wrong", name="Wrong", layer=Layer.TENANT)
        with pytest.raises(InvalidInput) as refused:
            publishing.save_policy(policy=policy, document=made, by=alice, now=NOW)
        assert at in {error["at"] for error in refused.value.errors}
        assert not Policy.objects.filter(slug="wrong").exists()

    def test_refuses_a_rule_of_the_platform_in_a_tenant(self, alice: Any) -> None:
        policy = Policy(slug="platform", name="Platform", layer=Layer.PLATFORM)
        with pytest.raises(InvalidInput, match="platform"):
            publishing.save_policy(policy=policy, document=document("deny"), by=alice, now=NOW)

    def test_a_version_is_never_changed(self, draft: Policy) -> None:
        with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
            PolicyVersion.objects.update(number=9)


class TestActivate:
    def activate(self, policy: Policy, by: Any, *, replay: bool = True) -> Policy:
        if replay:
            publishing.replayed(policy=policy, number=None, by=by, now=NOW)
        return publishing.activate(policy_id=policy.pk, number=None, by=by, now=NOW)

    def test_puts_it_in_force_at_once_and_says_so(
        self, draft: Policy, agent: Any, oscar: Any, bob: Any
    ) -> None:
        self.activate(draft, bob)
        decision = refund(agent, oscar)
        assert (decision.effect, decision.reasons[0].rule) == (Effect.DENY, "policy:no-large-refunds")
        assert refund(agent, oscar, amount=5.0).effect is Effect.REQUIRE_APPROVAL
        event = AuditEvent.objects.get(action="policy.activated")
        assert (event.actor_name, event.body["author"], event.body["version"]) == ("bob", "alice", 1)

    def test_needs_a_second_person(self, draft: Policy, alice: Any) -> None:
        with pytest.raises(SecondPersonNeeded, match="bob"):
            self.activate(draft, alice)

    def test_tells_who_is_alone_what_to_do(self, draft: Policy, alice: Any, bob: Any, rita: Any) -> None:
        for person in (bob, rita):
            person.groups.clear()
        with pytest.raises(SecondPersonNeeded, match="Give a second person"):
            self.activate(draft, alice)

    def test_needs_the_permission(self, draft: Policy, oscar: Any) -> None:
        with pytest.raises(PermissionMissing):
            self.activate(draft, oscar)

    def test_needs_a_replay_against_the_rules_in_force(self, draft: Policy, bob: Any) -> None:
        with pytest.raises(ReplayMissing):
            self.activate(draft, bob, replay=False)
        publishing.replayed(policy=draft, number=None, by=bob, now=NOW)
        in_force("deny", slug="another", match={"tools": ["x"]})
        with pytest.raises(ReplayMissing):
            self.activate(draft, bob, replay=False)

    def test_needs_a_replay_of_the_last_day(self, draft: Policy, bob: Any) -> None:
        publishing.replayed(policy=draft, number=None, by=bob, now=NOW - timedelta(hours=25))
        with pytest.raises(ReplayMissing):
            self.activate(draft, bob, replay=False)

    def test_of_what_does_not_exist_is_not_found(self, draft: Policy, bob: Any) -> None:
        with pytest.raises(NotFound):
            publishing.activate(policy_id=draft.pk, number=7, by=bob, now=NOW)

    def test_can_be_undone_by_somebody_else_than_the_author(
        self, draft: Policy, agent: Any, oscar: Any, alice: Any, bob: Any
    ) -> None:
        self.activate(draft, bob)
        with pytest.raises(SecondPersonNeeded):
            publishing.retire(policy_id=draft.pk, by=alice, now=NOW)
        publishing.retire(policy_id=draft.pk, by=bob, now=NOW)
        assert refund(agent, oscar).effect is Effect.REQUIRE_APPROVAL


class TestGate:
    def test_asks_the_platforms_rules_of_every_tenant(self, agent: Any, oscar: Any) -> None:
        with platform_context():
            policy = Policy(slug="stop-refunds", name="Stop refunds", layer=Layer.PLATFORM)
            made = document("deny", match={**REFUNDS, "tenants": ["acme"]})
            policy.active = publishing.save_policy(policy=policy, document=made, by=None, now=NOW)
            policy.save()
        assert refund(agent, oscar).reasons[0].rule == "policy:stop-refunds"

    def test_denies_what_no_rule_lets_through(self, agent: Any, oscar: Any) -> None:
        Policy.objects.update(active=None)
        assert refund(agent, oscar).reasons[0].code == "no-rule"
        assert decide(agent, oscar, "lookup_order", order_id="A-1001").effect is Effect.PERMIT
        PolicyDefault.objects.update(read_only_may=False)
        assert decide(agent, oscar, "lookup_order", order_id="A-1001").reasons[0].code == "no-rule"

    def test_runs_what_redaction_left_and_asks_again_about_it(self, agent: Any, oscar: Any) -> None:
        in_force("redact", match=REFUNDS, params={"paths": ["args.reason"]})
        decision = refund(agent, oscar)
        assert decision.effect is Effect.REQUIRE_APPROVAL
        assert decision.request.arguments["reason"] == "[redacted]"
        assert decision.digest == decision.request.digest() != decision.input_digest
        row = PolicyDecision.objects.get(pk=decision.id)
        assert row.request["arguments"]["reason"] == "[redacted]"
        assert "a-rule" in row.facts["redacted"]
        approved = approval("bob", request=decision.request)
        again = gate.authorize(decision.request, now=NOW, approval=approved)
        assert again.effect is Effect.PERMIT

    def test_denies_what_redaction_turned_into_something_refused(self, agent: Any, oscar: Any) -> None:
        in_force("redact", slug="hide", match=REFUNDS, params={"paths": ["args.reason"]})
        in_force("deny", leaf("args.reason", "eq", "[redacted]"), slug="no-hidden-reasons", match=REFUNDS)
        assert refund(agent, oscar).reasons[0].rule == "policy:no-hidden-reasons"

    def test_records_which_rules_matched_and_what_could_not_be_told(self, agent: Any, oscar: Any) -> None:
        in_force("require_approval", leaf("cost.estimate", "gt", 5), match=REFUNDS)
        facts = PolicyDecision.objects.get(pk=refund(agent, oscar).id).facts
        assert facts["rules"] == ["a-rule", "baseline-risk-tiers"]
        assert facts["errors"] == ["a-rule: cost.estimate is not there"]
        assert facts["beside"] == "require_approval"

    def test_denies_everything_while_a_stored_rule_does_not_compile(self, agent: Any, oscar: Any) -> None:
        policy = in_force("deny", match={"tools": ["x"]})
        broken = policy.versions.create(
            number=2, document={"effect": "?"}, digest="", author=None, created_at=NOW
        )
        Policy.objects.filter(pk=policy.pk).update(active=broken)
        assert refund(agent, oscar).reasons[0].code == "check-failed"

    def test_tells_obligations(self, agent: Any, oscar: Any) -> None:
        told = {"type": "notification", "to": "#payments"}
        in_force("allow", match=REFUNDS, obligations=[told])
        assert refund(agent, oscar).obligations == (told,)


class TestShadow:
    def test_records_what_it_would_have_said_and_changes_nothing(
        self, draft: Policy, agent: Any, oscar: Any, alice: Any
    ) -> None:
        publishing.rehearse(policy_id=draft.pk, number=None, by=alice, now=NOW)
        decision = refund(agent, oscar)
        assert decision.effect is Effect.REQUIRE_APPROVAL
        shadow = PolicyDecision.objects.get(pk=decision.id).facts["shadow"]
        assert (shadow["effect"], "no-large-refunds" in shadow["rules"]) == ("deny", True)
        publishing.end_rehearsal(policy_id=draft.pk, by=alice, now=NOW)
        assert "shadow" not in PolicyDecision.objects.get(pk=refund(agent, oscar).id).facts


class TestPacks:
    def test_are_drafts_that_go_into_shadow(self, alice: Any) -> None:
        added = publishing.rehearse_pack(slug="finance", by=alice, now=NOW)
        assert len(added) == len(packs.pack_of("finance").rules)
        assert all(policy.shadow and policy.active is None for policy in added)
        assert publishing.rehearse_pack(slug="finance", by=alice, now=NOW) == []

    def test_all_compile(self, alice: Any) -> None:
        for slug in packs.packs():
            publishing.rehearse_pack(slug=slug, by=alice, now=NOW)
            assert Policy.objects.filter(pack=slug).count() == len(packs.pack_of(slug).rules)
        assert set(packs.packs()) == {"baseline", "support", "finance", "hr", "engineering"}

    def test_are_refused_without_the_permission_or_by_another_name(self, bob: Any, alice: Any) -> None:
        with pytest.raises(PermissionMissing):
            publishing.rehearse_pack(slug="hr", by=bob, now=NOW)
        with pytest.raises(NotFound, match="finance"):
            publishing.rehearse_pack(slug="nothing", by=alice, now=NOW)

    def test_the_baseline_stays_as_the_tenant_left_it(self, acme: Any) -> None:
        Policy.objects.update(active=None)
        publishing.seed_baseline(now=NOW)
        assert Policy.objects.get(slug="baseline-risk-tiers").active is None


class TestReplay:
    def test_shows_what_would_have_gone_differently(
        self, draft: Policy, agent: Any, oscar: Any, bob: Any
    ) -> None:
        small, large = refund(agent, oscar, amount=5.0), refund(agent, oscar, amount=50.0)
        report = publishing.replayed(policy=draft, number=None, by=bob, now=NOW + timedelta(hours=1)).report
        [flip] = [one for one in report["flips"] if one["decision"] == str(large.id)]
        assert (flip["old"], flip["new"], flip["rule"]) == ("require_approval", "deny", "no-large-refunds")
        assert str(small.id) not in [one["decision"] for one in report["flips"]]
        assert {"old": "require_approval", "new": "deny", "count": report["flipped"]} in report["matrix"]
        assert report["by"]["tool"]["refund_order"] == report["flipped"]

    def test_counts_calls_that_would_ask_more_people(
        self, agent: Any, oscar: Any, alice: Any, bob: Any
    ) -> None:
        refund(agent, oscar, amount=50.0)
        policy = Policy(slug="two-for-refunds", name="Two for refunds", layer="tenant")
        asks = document("require_approval", match={"tools": ["refund_order"]}, params={"quorum": 2})
        publishing.save_policy(policy=policy, document=asks, by=alice, now=NOW)
        report = publishing.replayed(policy=policy, number=None, by=bob, now=NOW + timedelta(hours=1)).report
        assert (report["flipped"], report["asked_otherwise"] > 0) == (0, True)

    def test_counts_a_run_no_further_than_its_first_flip(
        self, draft: Policy, agent: Any, oscar: Any, bob: Any
    ) -> None:
        request = proposal(agent=agent, user=oscar)
        for _ in range(3):
            gate.authorize(request, now=NOW)
        report = publishing.replayed(policy=draft, number=None, by=bob, now=NOW).report
        assert len([one for one in report["flips"] if one["run"] == request.run.run_id]) == 1
        assert report["after_first_flip"] >= 2

    def test_finds_what_had_been_refused_by_people_and_would_be_let_through(
        self, agent: Any, oscar: Any, alice: Any, bob: Any
    ) -> None:
        asked = in_force("require_approval", match={"tools": ["lookup_order"]})
        decision = decide(agent, oscar, "lookup_order", order_id="A-1001")
        audit.record(Entry(at=NOW, action="review.reject", step_id=decision.request.run.step_id))
        publishing.save_policy(
            policy=asked, document=document("deny", match={"tools": ["x"]}), by=alice, now=NOW
        )
        report = publishing.replayed(policy=asked, number=None, by=bob, now=NOW).report
        assert report["newly_allowed_but_refused_by_people"] == 1

    def test_finds_what_had_succeeded_and_would_be_refused(
        self, draft: Policy, agent: Any, oscar: Any, bob: Any
    ) -> None:
        decision = refund(agent, oscar)
        audit.record(Entry(at=NOW, action="tool.succeeded", step_id=decision.request.run.step_id))
        report = publishing.replayed(policy=draft, number=None, by=bob, now=NOW).report
        assert report["newly_denied_but_succeeded"] == 1


class TestApi:
    BASE = "/api/v1/governance/policies"

    def test_from_draft_to_activation(self, client_of: Any, alice: Any, bob: Any) -> None:
        made = client_of(alice).post(
            self.BASE,
            {
                "slug": "small-steps",
                "name": "Small steps",
                "document": document("deny", LARGE, match=REFUNDS),
            },
            format="json",
        )
        assert made.status_code == 201
        body = made.json()
        assert body["in_words"] == (
            "When the tool looks like refund_* and the argument amount is greater than 20, refuse the call."
        )
        url = f"{self.BASE}/{body['id']}"
        assert client_of(alice).post(f"{url}/activate", {}, format="json").status_code == 403
        assert client_of(bob).post(f"{url}/activate", {}, format="json").status_code == 409
        assert client_of(bob).post(f"{url}/simulate", {}, format="json").json()["replay"]
        assert client_of(bob).post(f"{url}/activate", {}, format="json").json()["active_version"] == 1

    def test_names_the_place_of_a_mistake(self, client_of: Any, alice: Any) -> None:
        made = document("deny", {"all": [leaf("args.amount", "above", 5)]})
        answer = client_of(alice).post(self.BASE, {"slug": "x", "name": "X", "document": made}, format="json")
        assert answer.status_code == 422
        assert [error["at"] for error in answer.json()["errors"]] == ["/when/all/0/op"]

    def test_tries_a_rule_on_calls_that_are_described(self, client_of: Any, bob: Any, draft: Policy) -> None:
        calls = [
            {"tool": {"name": "refund_order"}, "arguments": {"amount": 50}},
            {"tool": {"name": "refund_order"}, "arguments": {"amount": 5}},
        ]
        url = f"{self.BASE}/{draft.pk}/simulate"
        answers = client_of(bob).post(url, {"requests": calls}, format="json").json()["answers"]
        assert [(each["old"]["effect"], each["new"]["effect"]) for each in answers] == [
            ("allow", "deny"),
            ("allow", "allow"),
        ]
        wrong = client_of(bob).post(url, {"requests": [{"tool": {}}]}, format="json")
        assert (wrong.status_code, wrong.json()["errors"][0]["at"]) == (422, "/requests/0/tool/name")
