"""Find the tenant that a Host header names."""

from typing import Protocol, cast

from django.http.request import split_domain_port
from django_tenants.utils import get_tenant_domain_model

from tenants.kernel.context import HasSchema, platform_context
from tenants.kernel.errors import UnknownTenant


class Served(HasSchema, Protocol):
    """A tenant that may be let in or not."""

    @property
    def is_served(self) -> bool:
        """Whether its people are let in."""


def tenant_of_host(host: str) -> Served:
    """Return the tenant of a Host header value; raise UnknownTenant naming the host."""
    name = split_domain_port(host.lower())[0]
    with platform_context():
        domain = get_tenant_domain_model().objects.select_related("tenant__tier").filter(domain=name).first()
    if domain is None:
        raise UnknownTenant(f"No tenant answers at '{name}'.", host=name)
    return cast(Served, domain.tenant)
