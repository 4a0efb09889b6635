"""Let nobody in at a tenant that is not served, and say what is left of its requests."""

from collections.abc import Callable
from typing import cast

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from tenants.kernel.api import problem
from tenants.kernel.errors import TenantSuspended
from tenants.tenancy.models import Tenant
from tenants.tiers.throttling import add_headers

HEALTH = "/health/"
PAGES = "text/html"


class TierMiddleware:
    """Stand behind the tenant's and before sessions: a suspended tenant's are not even read."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        tenant = cast(Tenant, request.tenant)  # type: ignore[attr-defined]  # set by TenantMiddleware
        if not tenant.is_served and not request.path.startswith(HEALTH):
            return _refusal(request)
        response = self.get_response(request)
        add_headers(request, response)
        return response


def _refusal(request: HttpRequest) -> HttpResponse:
    """Answer a browser with a page and everybody else with a problem document."""
    error = TenantSuspended()
    wants_page = PAGES in request.headers.get("accept", "") and not request.path.startswith("/api/")
    if wants_page:
        return render(request, "suspended.html", status=error.status)
    return problem(error, request)
