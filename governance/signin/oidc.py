"""OpenID Connect by allauth, stricter: the issuer is the configured one and every ID token's signature is checked."""

import logging
from typing import Any

from allauth.socialaccount.internal import jwtkit
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.core.exceptions import ImproperlyConfigured
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_POST

from governance.signin.leaving import leave
from tenants.kernel.errors import DomainError

logger = logging.getLogger(__name__)


class ProviderUnusable(DomainError):
    """The identity provider cannot be asked, or does not answer as it must."""

    code = "provider-unusable"
    status = 502
    title = "The identity provider cannot be used now"


class StrictAdapter(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]  # untyped upstream
    """Believe only the configured issuer."""

    def get_provider(self) -> Any:
        """Return the provider, which goes through this adapter too when a sign-in begins."""
        provider = super().get_provider()
        provider.oauth2_adapter_class = StrictAdapter
        return provider

    @property
    def openid_config(self) -> dict[str, Any]:
        """Return the provider's description; raise OAuth2Error if it speaks for another issuer."""
        described: dict[str, Any] = super().openid_config
        configured = self.get_provider().app.settings["server_url"].partition("/.well-known/")[0]
        if str(described.get("issuer", "")).rstrip("/") != configured.rstrip("/"):
            raise OAuth2Error("The provider describes another issuer.")
        return described

    def _decode_id_token(self, app: SocialApp, id_token: str) -> dict[str, Any]:
        """Return the claims of a signed token; the channel alone is not taken for a proof."""
        claims: dict[str, Any] = jwtkit.verify_and_decode(
            credential=id_token,
            keys_url=self.openid_config["jwks_uri"],
            issuer=self.openid_config["issuer"],
            audience=app.client_id,
            lookup_kid=jwtkit.lookup_kid_jwk,
        )
        return claims

    def complete_login(self, request: HttpRequest, app: SocialApp, token: Any, **kwargs: Any) -> Any:
        """Return the login; raise OAuth2Error unless ID token and user info are whole and of one person."""
        if not kwargs["response"].get("id_token"):
            raise OAuth2Error("The provider gave no ID token.")
        try:
            login = super().complete_login(request, app, token, **kwargs)
            said = login.account.extra_data
            same = "userinfo" not in said or said["userinfo"]["sub"] == said["id_token"]["sub"]
        except (KeyError, TypeError, ValueError, AttributeError, ImproperlyConfigured) as error:
            raise OAuth2Error("The provider's answer lacks what it must say.") from error
        if not same:
            raise OAuth2Error("ID token and user info name different people.")
        return login


@require_POST
def login(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Begin a sign-in at the provider."""
    try:
        return leave(request, OAuth2LoginView.adapter_view(StrictAdapter(request, provider_id))(request))
    except SocialApp.DoesNotExist as error:
        raise Http404 from error
    except OAuth2Error as error:
        return _unusable(request, error)


@require_GET
def callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Take the provider's answer."""
    try:
        found: HttpResponse = OAuth2CallbackView.adapter_view(StrictAdapter(request, provider_id))(request)
    except SocialApp.DoesNotExist as error:
        raise Http404 from error
    except OAuth2Error as error:
        return _unusable(request, error)
    return found


def _unusable(request: HttpRequest, error: OAuth2Error) -> HttpResponse:
    """Say that it cannot be used; why is for the log, and not for who is not signed in."""
    logger.warning("Identity provider: %s", error)
    shown = ProviderUnusable()
    return render(request, "error.html", {"error": shown}, status=shown.status)
