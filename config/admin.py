"""Two admin sites: a tenant's, which shows only what lives in its schema, and the platform's."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.apps import apps
from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.sites import UnfoldAdminSite

# The theme runs Alpine.js, which evaluates expressions, and writes inline styles.
ADMIN_POLICY = {
    **{name: list(sources) for name, sources in settings.CONTENT_SECURITY_POLICY["DIRECTIVES"].items()},
    "script-src": ["'self'", "'unsafe-eval'", "'unsafe-inline'"],
    "style-src": ["'self'", "'unsafe-inline'"],
}


View = Callable[..., HttpResponse]


def themed(view: View) -> View:
    """Give the view's responses the theme's policy, unless a page chose its own."""

    @wraps(view)
    def wrapped(*args: Any, **kwargs: Any) -> HttpResponse:
        response = view(*args, **kwargs)
        if not hasattr(response, "_csp_replace"):
            response._csp_replace = ADMIN_POLICY  # type: ignore[attr-defined]  # read by django-csp
        return response

    return wrapped


class ThemedSite(UnfoldAdminSite):  # type: ignore[misc]  # untyped upstream
    """An admin site under the policy that its theme needs."""

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """Wrap every admin page."""
        return themed(super().admin_view(view, cacheable))

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Lead to the one page where people sign in; refuse who has and may not enter."""
        if request.user.is_authenticated:
            raise PermissionDenied
        target = request.GET.get(REDIRECT_FIELD_NAME) or reverse(f"{self.name}:index")
        return HttpResponseRedirect(f"{settings.LOGIN_URL}?{urlencode({REDIRECT_FIELD_NAME: target})}")


class TenantAdminSite(ThemedSite):
    """The admin of a tenant. Models of platform-only apps cannot be registered.

    `public` is on every tenant's search path, so a platform table shown here would be the platform's.
    """

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Register models of tenant apps and leave out the others: third-party apps register their own."""
        models: list[Any] = (
            [model_or_iterable] if isinstance(model_or_iterable, type) else list(model_or_iterable)
        )
        labels = {
            config.label
            for config in apps.get_app_configs()
            if config.name in settings.TENANT_APPS or _path(config) in settings.TENANT_APPS
        }
        super().register(
            [model for model in models if model._meta.app_label in labels], admin_class, **options
        )


def _path(config: Any) -> str:
    return f"{type(config).__module__}.{type(config).__name__}"
