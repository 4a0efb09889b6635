"""Roles hold exactly what the apps granted them; rights on an object come from four places."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from guardian.shortcuts import assign_perm

from agents.catalog.models import Agent
from agents.tools.models import Tool
from governance.access import roles
from governance.access.models import User
from governance.access.permissions import holders

PERSONAL = {
    "hitl.add_savedview",
    "hitl.delete_savedview",
    "governance.add_apikey",
    "governance.add_delegationgrant",
    "governance.view_delegationgrant",
}
"""What everybody does for themselves alone."""
COSTS = {f"governance.view_{name}" for name in ("budgetwindow", "price", "ratelimit", "reservation")}
# What each role may do. A right that is not written here is one that nobody meant to give.
RIGHTS = {
    "viewer": {
        "agents.view_agent",
        "agents.view_circuit",
        "agents.view_concurrencycap",
        "agents.view_halt",
        "agents.view_run",
        "agents.view_step",
        "agents.view_tool",
        "agents.view_toolserver",
        "hitl.view_review",
        "hitl.view_reviewerprofile",
        "hitl.view_reviewqueue",
        "hitl.view_rotation",
        "hitl.view_schedule",
        "hitl.view_scheduleoverride",
        "hitl.view_substitution",
        "hitl.view_grant",
        "hitl.view_servicelevel",
        "governance.view_budget",
        "governance.view_usagerecord",
        *(
            f"hitl.view_escalation{part}"
            for part in ("policy", "policyversion", "state", "event", "heartbeat")
        ),
        *PERSONAL,
    },
    "auditor": {
        "waffle.view_flag",
        "governance.view_auditevent",
        "governance.view_policydecision",
        *(f"governance.view_{part}" for part in ("guardrailbinding", "guardrailfinding", "redactedvalue")),
        "hitl.view_vote",
        "hitl.view_analytics",
        "hitl.view_endpoint",
        "hitl.view_notification",
        "agents.escalate_run",
        "governance.view_role",
        "governance.check_permission",
        "governance.view_policy",
        "governance.view_policydefault",
        *COSTS,
        *("governance.view_signingkey", "governance.view_issuedtoken", "axes.view_accessattempt"),
    },
    "analyst": {"agents.escalate_run", "hitl.view_endpoint"},
    "reviewer": {
        "hitl.decide_review",
        "hitl.view_vote",
        "hitl.add_grant",
        "hitl.share_savedview",
        "agents.escalate_run",
        "governance.view_policy",
        "governance.activate_policy",
    },
    "operator": {
        *COSTS,
        "waffle.view_flag",
        "hitl.revoke_grant",
        "hitl.steer_escalation",
        "hitl.view_endpoint",
        "agents.escalate_run",
        "agents.execute_agent",
        "agents.execute_tool",
        "agents.cancel_run",
        "agents.pause_run",
        "agents.add_halt",
        "agents.lift_halt",
        "agents.change_circuit",
    },
}
# Whoever decides must not be able to act, and whoever acts must not be able to decide.
ACTING = {
    "agents.execute_agent",
    "agents.execute_tool",
    "agents.add_agent",
    "agents.change_agent",
    "agents.add_tool",
    "agents.change_tool",
    "agents.add_toolserver",
    "agents.change_toolserver",
    "agents.add_toolsecret",
    "agents.change_toolsecret",
    "agents.delete_toolsecret",
    "agents.change_circuit",
    "agents.change_concurrencycap",
}


def rights(role: str) -> set[str]:
    found = Group.objects.get(name=role).permissions.values_list("content_type__app_label", "codename")
    return {f"{app}.{codename}" for app, codename in found}


class TestRoles:
    @pytest.mark.parametrize("role", ["auditor", "analyst", "reviewer", "operator"])
    def test_hold_what_a_viewer_may_see_and_their_own(self, acme: Any, role: str) -> None:
        more = RIGHTS["viewer"] | {"governance.view_auditcheckpoint"}
        assert RIGHTS[role] <= rights(role) <= RIGHTS[role] | more

    def test_of_a_viewer_only_look(self, acme: Any) -> None:
        for role, speaks in (
            ("viewer", set()),
            ("analyst", {"agents.escalate_run"}),
            ("auditor", {"agents.escalate_run", "governance.check_permission"}),
        ):
            others = rights(role) - PERSONAL - speaks
            assert all(codename.partition(".")[2].startswith("view_") for codename in others), role

    def test_never_decide_and_act_but_for_the_admin(self, acme: Any) -> None:
        for role in set(roles.ROLES) - {"admin"}:
            assert not (rights(role) & ACTING and "hitl.decide_review" in rights(role)), role

    def test_change_no_evidence(self, acme: Any) -> None:
        evidence = (
            "auditevent",
            "auditleaf",
            "auditcheckpoint",
            "policydecision",
            "review",
            "vote",
            "run",
            "step",
        )
        for role in roles.ROLES:
            written = {
                right
                for right in rights(role)
                if right.partition(".")[2].startswith(("add_", "change_", "delete_"))
            }
            assert not [right for right in written if right.endswith(evidence)], role

    def test_give_only_rights_that_exist(self, acme: Any) -> None:
        granted = roles.meaningful()
        assert granted == set().union(*(rights(role) for role in roles.ROLES))

    def test_are_restored_by_a_sync(self, acme: Any) -> None:
        before = rights("reviewer")
        Group.objects.get(name="reviewer").permissions.clear()
        Group.objects.get(name="viewer").permissions.set(Group.objects.get(name="admin").permissions.all())
        roles.sync()
        assert rights("reviewer") == before
        assert rights("viewer") == rights("viewer") - ACTING

    def test_that_do_not_exist_cannot_be_given_anything(self) -> None:
        with pytest.raises(ValueError, match="no role 'boss'"):
            roles.grant(boss=["agents.view_agent"])


class TestHolders:
    def ask(self, *users: Any, tool: str = "lookup_order") -> set[int]:
        row = Tool.objects.get(name=tool)
        return holders(
            model=Tool, codename="execute_tool", object_pk=row.pk, users=[user.pk for user in users]
        )

    def test_by_role(self, oscar: Any, bob: Any) -> None:
        assert self.ask(oscar, bob) == {oscar.pk}

    def test_by_being_superuser(self, alice: Any) -> None:
        assert self.ask(alice) == {alice.pk}

    def test_by_a_right_of_their_own(self, person: Any) -> None:
        dora = person("dora", "agents.execute_tool")
        assert self.ask(dora) == {dora.pk}

    def test_by_a_right_on_the_object(self, charlie: Any) -> None:
        assign_perm("execute_tool", charlie, Tool.objects.get(name="lookup_order"))
        assert self.ask(charlie) == {charlie.pk}
        assert self.ask(charlie, tool="refund_order") == set()

    def test_by_their_groups_right_on_the_object(self, charlie: Any) -> None:
        group = Group.objects.create(name="sales")
        charlie.groups.add(group)
        assign_perm("execute_tool", group, Tool.objects.get(name="lookup_order"))
        assert self.ask(charlie) == {charlie.pk}
        assert self.ask(charlie, tool="refund_order") == set()

    @pytest.mark.parametrize("who", ["alice", "oscar"])
    def test_hold_nothing_when_deactivated(self, person: Any, who: str) -> None:
        user = person(who)
        user.is_active = False
        user.save()
        assert self.ask(user) == set()

    def test_of_a_right_that_does_not_exist_are_superusers(self, alice: Any, oscar: Any) -> None:
        found = holders(model=Agent, codename="sing", object_pk=1, users=[alice.pk, oscar.pk])
        assert found == {alice.pk}

    def test_of_nobody_are_nobody(self, acme: Any) -> None:
        assert self.ask() == set()

    def test_take_any_text_for_a_key(self, oscar: Any, charlie: Any) -> None:
        for key in ("", "x", "1 OR 1=1", "'; DROP TABLE governance_user; --"):
            assert holders(model=Tool, codename="execute_tool", object_pk=key, users=[charlie.pk]) == set()

    def test_agree_with_django_and_guardian(self, acme: Any, agent: Any) -> None:
        users = list(User.objects.all())
        for tool in Tool.objects.all():
            expected = {
                u.pk
                for u in users
                if u.has_perm("agents.execute_tool") or u.has_perm("agents.execute_tool", tool)
            }
            assert self.ask(*users, tool=tool.name) == expected


class TestAgentIdentities:
    @pytest.mark.parametrize("flag", ["is_staff", "is_superuser"])
    def test_can_never_be_staff(self, agent: Any, flag: str) -> None:
        with pytest.raises(IntegrityError, match="agents_are_never_staff"), transaction.atomic():
            User.objects.filter(pk=agent.principal_id).update(**{flag: True})
