"""Decides, limits, records."""

from django.apps import AppConfig

METERED = ("budget", "budgetwindow", "price", "ratelimit", "reservation", "usagerecord")


class GovernanceConfig(AppConfig):
    """Fill registries, and chain configuration changes into the audit log."""

    name = "governance"

    def ready(self) -> None:
        """Connect what governance listens to."""
        from governance.access import operations as access
        from governance.access import roles
        from governance.audit import configuration
        from governance.identity import wiring as identity
        from tenants.signals import schema_ready
        from tenants.tenancy import fingerprint

        schema_ready.connect(roles.sync, dispatch_uid="roles.sync")
        fingerprint.contribute(roles.described)
        _people()
        _signin()
        _evidence()
        _rules()
        _metering()
        _platform()
        identity.connect()
        configuration.install()
        access.listen()


def _people() -> None:
    """Say who manages people, their roles and their keys."""
    from auditlog.registry import auditlog
    from django.contrib.auth.models import Group
    from django.db.models.signals import pre_save
    from guardian.models import GroupObjectPermission, UserObjectPermission
    from knox.models import AuthToken

    from governance.access import roles, seats
    from governance.access.keys import scopes
    from governance.access.keys.models import ApiKey
    from governance.access.models import Role, User
    from tenants.usage.registry import IN_USE, METERS

    roles.grant(
        admin=[
            *(f"governance.{verb}_user" for verb in ("view", "add", "change")),
            *(f"governance.{verb}_role" for verb in ("view", "add", "change", "delete")),
            *("governance.check_permission", "auth.view_group"),
            *("governance.view_apikey", "governance.revoke_apikey"),
        ],
        auditor=["governance.view_role", "governance.check_permission"],
        viewer=["governance.add_apikey"],  # one's own
    )
    auditlog.register(
        User,
        mask_fields=["password"],
        exclude_fields=["last_login"],
        m2m_fields={"groups", "user_permissions"},
    )
    auditlog.register(Group, m2m_fields={"permissions"})
    auditlog.register(AuthToken, include_fields=["user", "created", "expiry"])
    auditlog.register(UserObjectPermission)
    auditlog.register(GroupObjectPermission)
    auditlog.register(Role, m2m_fields={"parents", "permissions"})
    auditlog.register(ApiKey, exclude_fields=["digest", "last_used_at"])
    scopes.offer(
        audit_read=["governance.view_auditevent", "governance.view_policydecision"],
        access_read=["governance.view_user", "governance.view_role"],
        access_write=[
            *("governance.view_user", "governance.view_role"),
            *("governance.change_user", "governance.check_permission"),
        ],
        thresholds_read=["governance.view_riskthreshold"],
        thresholds_write=[f"governance.{verb}_riskthreshold" for verb in ("view", "add", "change", "delete")],
    )
    METERS.add("active_people", "governance.access.usage:ACTIVE_PEOPLE")
    IN_USE.add("people", "governance.access.usage:PEOPLE_NOW")
    pre_save.connect(seats.on_saving, sender=User, dispatch_uid="access.seats")


def _signin() -> None:
    """Follow sign-ins, and say who configures them."""
    from auditlog.registry import auditlog

    from governance.access import roles
    from governance.signin import record
    from governance.signin.models import IdentityProvider, RoleMapping

    # Changing them is for superusers: who says where people sign in can sign in as anybody.
    see = ["governance.view_identityprovider", "governance.view_rolemapping"]
    roles.grant(
        admin=[*see, "axes.view_accessattempt", "axes.delete_accessattempt", "mfa.view_authenticator"],
        auditor=["axes.view_accessattempt"],
    )
    auditlog.register(IdentityProvider, exclude_fields=["ciphertext", "key_version"])
    auditlog.register(RoleMapping)
    record.listen()


def _evidence() -> None:
    """Say who reads the log, and which records belong to a schema alone."""
    from governance.access import roles
    from tenants.tenancy.operations import leave_behind

    read = ["governance.view_auditevent", "governance.view_policydecision"]
    roles.grant(admin=read, auditor=read)
    leave_behind(
        "auditlog_logentry",
        "governance_auditevent",
        "governance_auditleaf",
        "governance_auditcheckpoint",
        "governance_guardrailfinding",
        "governance_redactedvalue",
    )


def _rules() -> None:
    """Say who writes the rules, and where the gate reads them."""
    from auditlog.registry import auditlog

    from governance.access import roles
    from governance.flow.models import TrustedSource
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

    verbs = ("view", "add", "change", "delete")
    tables = ("riskthreshold", "trustedsource", "guardrailbinding")
    roles.grant(
        admin=[
            *(f"governance.{verb}_{table}" for table in tables for verb in verbs),
            *(
                f"governance.{verb}_{table}"
                for table in ("riskprofile", "policydefault")
                for verb in ("view", "change")
            ),
            *(f"governance.{verb}_policy" for verb in ("view", "add", "change", "activate")),
            *("governance.view_guardrailfinding", "governance.view_redactedvalue"),
            "governance.reveal_redacted",
        ],
        reviewer=["governance.view_policy", "governance.activate_policy"],
        auditor=[
            *("governance.view_policy", "governance.view_policydefault", "governance.view_guardrailbinding"),
            *("governance.view_guardrailfinding", "governance.view_redactedvalue"),
        ],
    )
    PARTS.add("thresholds", "governance.policies.thresholds:standing")
    PARTS.add("risk_profile", "governance.policies.profile:standing")
    PARTS.add("guardrails", "governance.guardrails.standing:standing")
    PARTS.add("policies", "governance.policies.in_force:standing")
    schema_ready.connect(seeding.on_schema_ready, dispatch_uid="policies.seed")
    fingerprint.contribute(packs.described)
    rules = (
        RiskThreshold,
        RiskProfile,
        Policy,
        PolicyVersion,
        PolicyDefault,
        GuardrailBinding,
        TrustedSource,
    )
    for model in rules:
        auditlog.register(model)


def _platform() -> None:
    """Say who manages tenants on the platform, and flags in a tenant."""
    from auditlog.registry import auditlog
    from waffle.models import Flag

    from governance.access import roles

    look = [f"tenants.view_{name}" for name in ("tenant", "tier", "domain")]
    change = ("add_tenant", "change_tenant", "add_tier", "change_tier", "add_domain", "change_domain")
    roles.grant(
        admin=[
            *(f"tenants.{name}" for name in change),
            *(f"waffle.{verb}_flag" for verb in ("view", "add", "change", "delete")),
        ],
        operator=[*look, "tenants.suspend_tenant", "waffle.view_flag"],
        auditor=[*look, "waffle.view_flag"],
    )
    auditlog.register(Flag, m2m_fields={"groups", "users"}, exclude_fields=["modified"])


def _metering() -> None:
    """Say who sees and sets prices and budgets, and hold tenants to the tokens of their tier."""
    from auditlog.registry import auditlog

    from governance.access import roles
    from governance.access.keys import scopes
    from governance.metering import tiers
    from governance.metering.models import Budget, Price, RateLimit
    from governance.rulebook.parts import PARTS
    from tenants.signals import limits_changed
    from tenants.tenancy.operations import leave_behind

    see = [f"governance.view_{name}" for name in METERED]
    change = [f"governance.{verb}_{name}" for name in ("budget", "ratelimit") for verb in ("add", "change")]
    roles.grant(
        admin=[*see, *change, "governance.add_price", "governance.reconcile_reservation"],
        operator=see,
        viewer=["governance.view_budget", "governance.view_usagerecord"],
        auditor=see,
    )
    scopes.offer(
        costs_read=["governance.view_budget", "governance.view_usagerecord"],
        budgets_write=["governance.view_budget", "governance.add_budget", "governance.change_budget"],
    )
    PARTS.add("metering", "governance.metering.rules:standing")
    limits_changed.connect(tiers.on_limits_changed, dispatch_uid="metering.limits_changed")
    leave_behind("governance_budgetwindow", "governance_reservation", "governance_usagerecord")
    for model in (Budget, Price, RateLimit):
        auditlog.register(model)
