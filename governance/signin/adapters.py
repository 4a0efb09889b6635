"""What django-allauth is told about this product, through its own adapters."""

import base64
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount, SocialApp
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme

from governance.access.models import User
from governance.signin import identities, record
from governance.signin.guarded import GuardedSession
from governance.signin.identities import Identity, IdentityRefused
from governance.signin.models import IdentityProvider
from tenants.kernel.clients import address_of
from tenants.kernel.tasks import enqueue
from tenants.keys import operations as keys
from tenants.keys.operations import Place, Sealed

FACTOR = Place(model="mfa.authenticator", field="data", pk="-")
FLASHES = ("usersessions/", "mfa/messages/", "account/messages/password")


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # untyped upstream
    """Nobody signs up; addresses and redirects are those of this tenant alone."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "too_many_login_attempts": "Too many attempts. Wait a while, then try again.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Refuse: people are added by an administrator or an identity provider."""
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return the address that the lock counts by."""
        return address_of(request)

    def is_safe_url(self, url: str | None) -> bool:
        """Accept this host alone; another tenant's is as foreign as any."""
        return url_has_allowed_host_and_scheme(
            url, allowed_hosts={self.request.get_host()}, require_https=self.request.is_secure()
        )

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Leave passwords to the lock, which counts by name and address."""

    def authenticate(self, request: HttpRequest, **credentials: Any) -> Any:
        """Return the person; raise ValidationError while locked out."""
        user = super().authenticate(request, **credentials)
        if user is None and getattr(request, "axes_locked_out", False):
            raise ValidationError(self.error_messages["too_many_login_attempts"])
        return user

    def add_message(
        self, request: HttpRequest, level: int, message_template: str | None = None, *args: Any, **kwargs: Any
    ) -> None:
        """Say what a person did to their account, and nothing on each sign-in."""
        if message_template is None or message_template.startswith(FLASHES):
            super().add_message(request, level, message_template, *args, **kwargs)

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        """Send none: the audit log tells what changed."""

    def send_password_reset_mail(self, user: Any, email: str, context: dict[str, Any]) -> None:
        """Send the link from a worker, so that the answer takes as long for an address nobody has."""
        if user.kind == User.Kind.PERSON and user.has_usable_password():
            site = f"{self.request.scheme}://{self.request.get_host()}"
            enqueue("governance.send_password_reset", user_id=user.pk, site=site)


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # untyped upstream
    """Second factors: secrets are sealed under the tenant's key."""

    def encrypt(self, text: str) -> str:
        """Seal a secret."""
        sealed = keys.seal(text, FACTOR)
        return f"{sealed.key_version}:{base64.b64encode(sealed.ciphertext).decode()}"

    def decrypt(self, encrypted_text: str) -> str:
        """Open a secret; raise Undecipherable."""
        version, _, text = encrypted_text.partition(":")
        return keys.unseal(Sealed(ciphertext=base64.b64decode(text), key_version=int(version)), FACTOR)

    def get_totp_label(self, user: Any) -> str:
        """Name the person and the tenant in an authenticator app."""
        return f"{user.username}@{self._get_site_name()}"

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        """Send none: the audit log tells what changed."""


class ProviderAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # untyped upstream
    """Identity providers are this tenant's rows, and what they say is judged by `identities`."""

    def list_apps(
        self, request: HttpRequest, provider: str | None = None, client_id: str | None = None
    ) -> list[SocialApp]:
        """Return the tenant's enabled providers as allauth wants them: unsaved, the secret opened."""
        rows = IdentityProvider.objects.filter(enabled=True).exclude(kind=IdentityProvider.Kind.LDAP)
        apps = [app_of(row) for row in rows]
        return [
            app
            for app in apps
            if (provider is None or provider in {app.provider, app.provider_id})
            and (client_id is None or client_id == app.client_id)
        ]

    def get_requests_session(self) -> GuardedSession:
        """Return a client that goes where outbound requests may go."""
        return GuardedSession()

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        """Refuse: `pre_social_login` has added whom the provider may add."""
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """Decide who this is here; stop with a refusal that says nothing about who exists."""
        provider = IdentityProvider.objects.filter(slug=sociallogin.account.provider, enabled=True).first()
        identity = None
        try:
            if provider is None:
                raise IdentityRefused
            identity = identity_of(provider, sociallogin)
            user = identities.sign_in(provider, identity)
        except IdentityRefused as error:
            record.refused(
                request, {"provider": sociallogin.account.provider, "uid": sociallogin.account.uid}
            )
            page = render(request, "error.html", {"error": error}, status=error.status)
            raise ImmediateHttpResponse(page) from error
        sociallogin.user = user
        sociallogin.account = SocialAccount.objects.get(provider=provider.slug, uid=identity.uid)

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        """Send none: the audit log tells what changed."""


def app_of(row: IdentityProvider) -> SocialApp:
    """Return a provider as allauth's unsaved application."""
    if row.kind == IdentityProvider.Kind.OIDC:
        return SocialApp(
            provider="openid_connect",
            provider_id=row.slug,
            name=row.name,
            client_id=row.client_id,
            secret=row.secret,
            settings={"server_url": row.url, "uid_field": "sub"},
        )
    return SocialApp(
        provider="saml",
        provider_id=row.slug,
        name=row.name,
        client_id=row.slug,
        settings={
            "idp": {"entity_id": row.client_id, "sso_url": row.url, "x509cert": row.certificate},
            "advanced": {"strict": True, "want_assertion_signed": True, "reject_idp_initiated_sso": True},
        },
    )


def identity_of(provider: IdentityProvider, sociallogin: Any) -> Identity:
    """Return what the provider says of somebody.

    An e-mail address counts where the provider says it is verified; SAML has no such word, and the
    administrator who lets a SAML provider link or add people vouches for its addresses.
    """
    data = sociallogin.account.extra_data
    claims = {**data.get("id_token", {}), **data.get("userinfo", {})} if "id_token" in data else data
    said = sociallogin.user
    is_saml = provider.kind == IdentityProvider.Kind.SAML
    verified = {address.email.lower() for address in sociallogin.email_addresses if address.verified}
    email = said.email if is_saml or said.email.lower() in verified else ""
    return Identity(
        uid=sociallogin.account.uid,
        username=(said.username or said.email or sociallogin.account.uid)[:150],
        email=email,
        first_name=said.first_name,
        last_name=said.last_name,
        claims=claims,
    )
