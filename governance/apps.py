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
        from governance.access.keys import scopes
        from governance.access.keys.models import ApiKey
        from governance.access.models import Role, User
        from governance.audit import configuration
        from governance.policies.models import RiskThreshold
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
            ],
            auditor=[
                "governance.view_auditevent",
                "governance.view_policydecision",
                "governance.view_role",
                "governance.check_permission",
            ],
            viewer=["governance.add_apikey"],  # one's own
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
        access.listen()
