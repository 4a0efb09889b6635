"""Give each request its tenant and its trace."""

import re
import secrets
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.urls import set_urlconf

from tenants.kernel.api import problem
from tenants.kernel.context import PUBLIC, tenant_context
from tenants.kernel.errors import UnknownTenant
from tenants.kernel.hosts import tenant_of_host

TRACEPARENT = re.compile(r"^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$")


def trace_of(traceparent: str) -> str:
    """Return the trace id of a W3C traceparent header, or a new one."""
    match = TRACEPARENT.match(traceparent)
    return match[1] if match else secrets.token_hex(16)


class TenantMiddleware:
    """Run the whole request in its tenant's context and leave none behind."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.trace_id = trace_of(request.headers.get("traceparent", ""))  # type: ignore[attr-defined]
        try:
            tenant = tenant_of_host(request.get_host())
        except DisallowedHost:
            return problem(UnknownTenant("This host is not served here."), request)
        except UnknownTenant as error:
            return problem(error, request)
        request.tenant = tenant  # type: ignore[attr-defined]
        is_platform = tenant.schema_name == PUBLIC
        request.urlconf = settings.PUBLIC_SCHEMA_URLCONF if is_platform else settings.ROOT_URLCONF
        set_urlconf(request.urlconf)
        with tenant_context(tenant):
            response = self.get_response(request)
        response["X-Request-Id"] = request.trace_id  # type: ignore[attr-defined]
        return response
