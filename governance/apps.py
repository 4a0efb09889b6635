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
        from governance.flow.models import TrustedSource
        from governance.policies.models import RiskThreshold
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
                *(f"governance.{verb}_trustedsource" for verb in ("view", "add", "change", "delete")),
            ],
            auditor=["governance.view_auditevent", "governance.view_policydecision"],
        )
        PARTS.add("thresholds", "governance.policies.thresholds:standing")
        schema_ready.connect(roles.sync, dispatch_uid="roles.sync")
        fingerprint.contribute(roles.described)
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
        auditlog.register(RiskThreshold)
        auditlog.register(TrustedSource)
        auditlog.register(UserObjectPermission)
        auditlog.register(GroupObjectPermission)
        configuration.install()
        access.listen()
