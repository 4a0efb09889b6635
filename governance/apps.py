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

        from governance.access import operations as access
        from governance.access import roles
        from governance.access.models import User
        from governance.audit import configuration
        from tenants.signals import schema_ready
        from tenants.tenancy import fingerprint

        roles.grant(
            admin=[
                "governance.view_user",
                "governance.add_user",
                "governance.change_user",
                "auth.view_group",
                "governance.view_auditevent",
                "governance.view_policydecision",
            ],
            auditor=["governance.view_auditevent", "governance.view_policydecision"],
            operator=["governance.view_auditevent"],
        )
        schema_ready.connect(roles.sync, dispatch_uid="roles.sync")
        fingerprint.contribute(roles.described)
        auditlog.register(
            User,
            mask_fields=["password"],
            exclude_fields=["last_login"],
            m2m_fields={"groups", "user_permissions"},
        )
        auditlog.register(Group, m2m_fields={"permissions"})
        auditlog.register(UserObjectPermission)
        auditlog.register(GroupObjectPermission)
        configuration.install()
        access.listen()
