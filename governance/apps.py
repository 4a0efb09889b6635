"""Decides, limits, records."""

from django.apps import AppConfig


class GovernanceConfig(AppConfig):
    """Fill the role registry and chain configuration changes into the audit log."""

    name = "governance"

    def ready(self) -> None:
        """Connect what governance listens to."""
        from auditlog.registry import auditlog
        from django.contrib.auth.models import Group
        from guardian.models import GroupObjectPermission, UserObjectPermission
        from knox.models import AuthToken
        from waffle.models import Flag

        from governance.access import roles
        from governance.access.keys import scopes
        from governance.access.keys.models import ApiKey
        from governance.access.models import Role, User
        from governance.audit import configuration
        from governance.guardrails.models import GuardrailBinding
        from governance.policies import packs, seeding
        from governance.policies.models import (
            Policy,
            PolicyDefault,
            PolicyVersion,
            RiskProfile,
            RiskThreshold,
        )
        from governance.rulebook.parts import PARTS
        from tenants.signals import schema_ready
        from tenants.tenancy import fingerprint
        from tenants.tenancy.operations import leave_behind

        roles.grant(
            admin=[
                *("governance.view_role", "governance.add_role", "governance.change_role"),
                *("governance.delete_role", "governance.check_permission"),
                *("governance.view_apikey", "governance.revoke_apikey"),
                "governance.view_user",
                "governance.add_user",
                "governance.change_user",
                "auth.view_group",
                "governance.view_auditevent",
                "governance.view_policydecision",
                *(f"governance.{verb}_riskthreshold" for verb in ("view", "add", "change", "delete")),
                "governance.view_riskprofile",
                "governance.change_riskprofile",
            ],
            auditor=[
                "governance.view_auditevent",
                "governance.view_policydecision",
                "governance.view_role",
                "governance.check_permission",
            ],
            viewer=["governance.add_apikey"],  # one's own
        )
        tenancy = [f"tenants.{verb}" for verb in ("view_tenant", "view_tier", "view_domain")]
        roles.grant(
            admin=[
                *tenancy,
                *(f"tenants.{verb}" for verb in ("add_tenant", "change_tenant", "suspend_tenant")),
                *(f"tenants.{verb}" for verb in ("add_tier", "change_tier", "add_domain", "change_domain")),
            ],
            operator=[*tenancy, "tenants.suspend_tenant"],
            auditor=tenancy,
        )
        roles.grant(
            admin=[f"waffle.{verb}_flag" for verb in ("view", "add", "change", "delete")],
            operator=["waffle.view_flag"],
            auditor=["waffle.view_flag"],
        )
        PARTS.add("thresholds", "governance.policies.thresholds:standing")
        PARTS.add("risk_profile", "governance.policies.profile:standing")
        roles.grant(
            admin=[
                *(f"governance.{verb}_guardrailbinding" for verb in ("view", "add", "change", "delete")),
                *("governance.view_guardrailfinding", "governance.view_redactedvalue"),
                "governance.reveal_redacted",
            ],
            auditor=[
                f"governance.view_{name}"
                for name in ("guardrailbinding", "guardrailfinding", "redactedvalue")
            ],
        )
        PARTS.add("guardrails", "governance.guardrails.standing:standing")
        roles.grant(
            admin=[
                *(f"governance.{verb}_policy" for verb in ("view", "add", "change", "activate")),
                *(f"governance.{verb}_policydefault" for verb in ("view", "change")),
            ],
            reviewer=["governance.view_policy", "governance.activate_policy"],
            auditor=["governance.view_policy", "governance.view_policydefault"],
        )
        PARTS.add("policies", "governance.policies.in_force:standing")
        schema_ready.connect(roles.sync, dispatch_uid="roles.sync")
        schema_ready.connect(seeding.on_schema_ready, dispatch_uid="policies.seed")
        fingerprint.contribute(roles.described)
        fingerprint.contribute(packs.described)
        leave_behind(
            "auditlog_logentry",
            "governance_auditevent",
            "governance_auditleaf",
            "governance_auditcheckpoint",
            "governance_guardrailfinding",
            "governance_redactedvalue",
        )
        auditlog.register(
            User,
            mask_fields=["password"],
            exclude_fields=["last_login"],
            m2m_fields={"groups", "user_permissions"},
        )
        auditlog.register(Group, m2m_fields={"permissions"})
        auditlog.register(AuthToken, include_fields=["user", "created", "expiry"])
        auditlog.register(Flag, m2m_fields={"groups", "users"}, exclude_fields=["modified"])
        auditlog.register(GuardrailBinding)
        for model in (RiskThreshold, RiskProfile, Policy, PolicyVersion, PolicyDefault):
            auditlog.register(model)
        auditlog.register(UserObjectPermission)
        auditlog.register(GroupObjectPermission)
        auditlog.register(Role, m2m_fields={"parents", "permissions"})
        auditlog.register(ApiKey, exclude_fields=["digest", "last_used_at"])
        scopes.offer(
            audit_read=["governance.view_auditevent", "governance.view_policydecision"],
            access_read=["governance.view_user", "governance.view_role", "governance.check_permission"],
            access_write=["governance.view_user", "governance.view_role", "governance.change_user"],
            thresholds_read=["governance.view_riskthreshold"],
            thresholds_write=[
                f"governance.{verb}_riskthreshold" for verb in ("view", "add", "change", "delete")
            ],
        )
        configuration.install()
        _people()
        _signin()


def _people() -> None:
    """Audit who comes and goes, and count them."""
    from django.db.models.signals import pre_save

    from governance.access import operations as access
    from governance.access import seats
    from governance.access.models import User
    from tenants.usage.registry import IN_USE, METERS

    access.listen()
    METERS.add("active_people", "governance.access.usage:ACTIVE_PEOPLE")
    IN_USE.add("people", "governance.access.usage:PEOPLE_NOW")
    pre_save.connect(seats.on_saving, sender=User, dispatch_uid="access.seats")


def _signin() -> None:
    """Follow sign-ins, and say who configures them."""
    from auditlog.registry import auditlog

    from governance.access import roles
    from governance.signin import record
    from governance.signin.models import IdentityProvider, RoleMapping

    configure = [
        f"governance.{verb}_{name}"
        for name in ("identityprovider", "rolemapping")
        for verb in ("view", "add", "change", "delete")
    ]
    roles.grant(
        admin=[*configure, "axes.view_accessattempt", "axes.delete_accessattempt", "mfa.view_authenticator"],
        auditor=["axes.view_accessattempt"],
    )
    auditlog.register(IdentityProvider, exclude_fields=["ciphertext", "key_version"])
    auditlog.register(RoleMapping)
    record.listen()
