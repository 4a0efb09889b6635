"""What a tenant's schema starts with."""

from typing import Any

from django.db import connection
from django.utils import timezone

from governance.policies.models import Policy, PolicyDefault
from governance.policies.publishing import seed_baseline, seed_drafts
from tenants.kernel.context import PUBLIC


def on_schema_ready(schema: str, **_kwargs: Any) -> None:
    """Seed the baseline into a new or migrated tenant; the platform's rules are its operator's alone."""
    if schema == PUBLIC or Policy._meta.db_table not in connection.introspection.table_names():
        return
    PolicyDefault.objects.get_or_create(pk=1)
    now = timezone.now()
    seed_baseline(now=now)
    seed_drafts(now=now)
