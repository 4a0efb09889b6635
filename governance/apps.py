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

        from governance.access import operations as access
        from governance.access import roles
        from governance.access.models import User
        from governance.audit import configuration
        from governance.policies import packs, seeding
        from governance.policies.models import Policy, PolicyDefault, PolicyVersion, RiskThreshold
        from governance.rulebook.parts import PARTS
        from tenants.signals import schema_ready
        from tenants.tenancy import fingerprint
        from tenants.tenancy.operations import leave_behind

        roles.grant(
            admin=[
                "governance.view_user",
                "governance.add_user",
                "governance.change_user",
                "auth.view_group",
                "governance.view_auditevent",
                "governance.view_policydecision",
                *(f"governance.{verb}_riskthreshold" for verb in ("view", "add", "change", "delete")),
                *(f"governance.{verb}_policy" for verb in ("view", "add", "change", "activate")),
                *(f"governance.{verb}_policydefault" for verb in ("view", "change")),
            ],
            reviewer=["governance.view_policy", "governance.activate_policy"],
            auditor=[
                "governance.view_auditevent",
                "governance.view_policydecision",
                "governance.view_policy",
                "governance.view_policydefault",
            ],
        )
        PARTS.add("thresholds", "governance.policies.thresholds:standing")
        PARTS.add("policies", "governance.policies.in_force:standing")
        schema_ready.connect(roles.sync, dispatch_uid="roles.sync")
        schema_ready.connect(seeding.on_schema_ready, dispatch_uid="policies.seed")
        fingerprint.contribute(roles.described)
        fingerprint.contribute(packs.described)
        leave_behind(
            "auditlog_logentry", "governance_auditevent", "governance_auditleaf", "governance_auditcheckpoint"
        )
        auditlog.register(
            User,
            mask_fields=["password"],
            exclude_fields=["last_login"],
            m2m_fields={"groups", "user_permissions"},
        )
        auditlog.register(Group, m2m_fields={"permissions"})
        auditlog.register(AuthToken, include_fields=["user", "created", "expiry"])
        for model in (RiskThreshold, Policy, PolicyVersion, PolicyDefault):
            auditlog.register(model)
        auditlog.register(UserObjectPermission)
        auditlog.register(GroupObjectPermission)
        configuration.install()
        access.listen()
