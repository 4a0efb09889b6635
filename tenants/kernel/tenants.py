"""Which tenants there are, for work that visits each."""

import logging
from collections.abc import Callable

from django_tenants.utils import get_tenant_model

from tenants.kernel.context import PUBLIC, platform_context, schema_tenant, tenant_context

logger = logging.getLogger(__name__)


def all_schemas() -> list[str]:
    """Return the schema of every tenant and of the platform, in name order."""
    with platform_context():
        return list(get_tenant_model().objects.order_by("schema_name").values_list("schema_name", flat=True))


def served_schemas() -> list[str]:
    """Return the schemas of tenants that work, and the platform's, in name order."""
    with platform_context():
        served = get_tenant_model().objects.filter(state="active")
        return list(served.order_by("schema_name").values_list("schema_name", flat=True))


def in_each_schema(work: Callable[[], None], *, platform: bool, suspended: bool = False) -> None:
    """Do the work in every tenant's context, and in the platform's if asked; one failure stops no other.

    A suspended tenant is passed over unless the work is for those too, as sealing its audit log is.
    """
    for schema in all_schemas() if suspended else served_schemas():
        if schema == PUBLIC and not platform:
            continue
        try:
            with tenant_context(schema_tenant(schema)):
                work()
        except Exception:  # the edge of a sweep: log once, go on with the next tenant
            logger.exception("%s failed in %s", work.__qualname__, schema)
