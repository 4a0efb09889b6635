"""The admin app, with a default site that shows only what belongs to the tenant."""

from django.contrib.admin.apps import AdminConfig


class CountersignAdminConfig(AdminConfig):
    """Replace Django's default admin site by the tenant's."""

    default_site = "config.admin.TenantAdminSite"
