"""Clients, consent, trusted issuers, keys and issued tokens in the admin."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.views.decorators.cache import never_cache

from governance.access.models import User
from governance.identity import clients, keys, operations
from governance.identity.models import DelegationGrant, IssuedToken, SigningKey, TokenClient
from governance.identity.types import TokenRefused
from tenants.kernel.admin import (
    LABELS,
    Button,
    ConfigAdmin,
    EvidenceAdmin,
    OperationsAdmin,
    Textarea,
    display,
)
from tenants.kernel.errors import PermissionMissing
from tenants.templatetags.display import inert

ROTATION = "governance.rotate_signingkey"
ROTATE = Button(
    method="rotate",
    label="Rotate",
    help="The next key signs from now on. This one stays published until its last token has expired.",
)
COMPROMISED = Button(
    method="drop",
    label="It is compromised: take it out",
    help="The next key signs from now on, and every token that this one signed ends at once.",
    variant="danger",
)
SECRET = Button(
    method="new_secret",
    label="Give it a new secret",
    help="The secret is shown once. The one that it has ends at once.",
)
REVOKE = Button(
    method="revoke",
    label="Revoke",
    help="It is no longer accepted here. A service that checks signatures alone takes it until it expires.",
    variant="danger",
)
WITHDRAW = Button(
    method="withdraw",
    label="Withdraw",
    help="The client gets no more tokens for this, and those that it has are revoked.",
    variant="danger",
)


SHORT_JSON = {models.JSONField: {"widget": Textarea(attrs={"rows": 3})}}


class SigningKeyAdmin(OperationsAdmin, EvidenceAdmin):
    """Keys: made and rotated by buttons, shown by their public half."""

    list_display = ["kid", "status_label", "created_at", "current_at", "retired_at", "published_until"]
    list_filter = ["status"]
    fields = [
        "kid",
        "status_label",
        "created_at",
        "current_at",
        "retired_at",
        "published_until",
        "public_jwk",
    ]
    buttons = (ROTATE, COMPROMISED)

    def offered_buttons(self, request: HttpRequest, obj: SigningKey) -> list[Button]:
        """Offer to rotate on the page of the key that signs."""
        may = obj.status == SigningKey.Status.CURRENT and request.user.has_perm(ROTATION)
        return list(self.buttons) if may else []

    def rotate(self, request: HttpRequest, key: SigningKey) -> str:
        """Let the next key sign."""
        return self._rotate(request, compromised=False)

    def drop(self, request: HttpRequest, key: SigningKey) -> str:
        """Let the next key sign and end what this one signed."""
        return self._rotate(request, compromised=True)

    def _rotate(self, request: HttpRequest, *, compromised: bool) -> str:
        if not request.user.has_perm(ROTATION):
            raise PermissionMissing
        current = keys.rotate(now=timezone.now(), by=request.user, compromised=compromised)
        return f"The key {current.kid} signs now."

    @display(description="Status", label={**LABELS, "current": "success", "next": "info"})  # type: ignore[untyped-decorator]  # untyped upstream
    def status_label(self, key: SigningKey) -> str:
        """Return the status as a label."""
        return str(key.status)


class TokenClientAdmin(OperationsAdmin, ConfigAdmin):
    """Clients. One without keys of its own gets a secret, which is shown once."""

    list_display = ["name", "client_id", "proves", "acts_as", "enabled"]
    search_fields = ["name"]
    list_filter = ["enabled"]
    fields = ["name", "client_id", "agent_id", "jwks", "audiences", "may_delegate_for", "enabled"]
    readonly_fields = ["client_id"]
    formfield_overrides = SHORT_JSON
    buttons = (SECRET,)

    def get_urls(self) -> list[Any]:
        """Show a new secret on a page of its own, not as a message, which a cookie would carry."""
        show = path(
            "<path:object_id>/new-secret/",
            self.admin_site.admin_view(never_cache(self._view_of_secret)),
            name=f"{self._name}_new_secret",
        )
        return [show, *super().get_urls()]

    def _view_of_secret(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        client = self.get_object(request, unquote(object_id))
        if client is None:
            raise Http404
        if not self.has_change_permission(request, client):
            raise PermissionDenied
        return self._shown(request, client)

    def _shown(self, request: HttpRequest, client: TokenClient) -> HttpResponse:
        try:
            secret = clients.give_secret(client=client)
        except TokenRefused as refusal:
            raise PermissionDenied(refusal.detail) from refusal
        context = {
            **self.admin_site.each_context(request),
            "title": f"The secret of {client}",
            "client": client,
            "secret": secret,
            "back": self._url("change", client.pk),
        }
        return TemplateResponse(request, "admin/governance/tokenclient/secret.html", context)

    def offered_buttons(self, request: HttpRequest, obj: TokenClient) -> list[Button]:
        """Offer a new secret for a client that has one."""
        return [SECRET] if not obj.jwks and self.has_change_permission(request, obj) else []

    def save_model(self, request: HttpRequest, obj: TokenClient, form: Any, change: bool) -> None:
        """Call the operation; tokens that a changed client has end."""
        clients.save(client=obj, by=request.user.get_username(), now=timezone.now())

    def response_add(
        self, request: HttpRequest, obj: TokenClient, post_url_continue: Any = None
    ) -> HttpResponse:
        """Show the secret of a new client that has no keys."""
        if obj.jwks:
            response: HttpResponse = super().response_add(request, obj, post_url_continue)
            return response
        response = self._shown(request, obj)
        add_never_cache_headers(response)
        return response

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: disable it instead, so that what it did keeps its name."""
        return False

    @admin.display(description="Client id")
    def client_id(self, client: TokenClient) -> str:
        """Return what it calls itself."""
        return str(client.pk) if not client._state.adding else "-"

    @admin.display(description="Proves itself with")
    def proves(self, client: TokenClient) -> str:
        """Return how it authenticates."""
        if client.jwks:
            return "its key"
        return "a secret" if client.secret_hash else "nothing yet"

    @admin.display(description="Acts as")
    def acts_as(self, client: TokenClient) -> str:
        """Return what it is called in tokens."""
        return client.actor


class DelegationForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """Consent of the person who is signed in."""

    class Meta:
        model = DelegationGrant
        fields = ["client", "audience", "scopes", "expires_at"]


def _person(request: HttpRequest) -> User:
    """Return who is signed in: the admin lets nobody else in."""
    assert isinstance(request.user, User)  # noqa: S101  # narrows the type
    return request.user


class DelegationGrantAdmin(OperationsAdmin, ConfigAdmin):
    """Who may act for whom. People consent for themselves; they see their own, those who revoke see all."""

    form = DelegationForm
    list_display = ["user", "client", "audience_shown", "expires_at", "revoked_at"]
    list_select_related = ["user", "client"]
    formfield_overrides = SHORT_JSON
    buttons = (WITHDRAW,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[DelegationGrant]:
        """Return one's own, or all to those who may revoke tokens."""
        rows: QuerySet[DelegationGrant] = super().get_queryset(request).select_related("user", "client")
        return rows if request.user.has_perm(operations.REVOKE) else rows.filter(user_id=_person(request).pk)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Say whose consent it is, once it is given."""
        return (
            ["user", *DelegationForm.Meta.fields, "created_at", "revoked_at"]
            if obj
            else DelegationForm.Meta.fields
        )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: withdraw it and give another."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: withdrawn consent stays on record."""
        return False

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer the clients that are enabled."""
        if db_field.name == "client":
            kwargs["queryset"] = TokenClient.objects.filter(enabled=True)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: DelegationGrant, form: Any, change: bool) -> None:
        """Call the operation that asks for consent."""
        obj.user = _person(request)
        operations.consent(grant=obj, by=request.user)

    def offered_buttons(self, request: HttpRequest, obj: DelegationGrant) -> list[Button]:
        """Offer to withdraw what stands."""
        mine = obj.user_id == request.user.pk
        may = mine or request.user.has_perm(operations.REVOKE)
        return [WITHDRAW] if may and obj.revoked_at is None else []

    def withdraw(self, request: HttpRequest, grant: DelegationGrant) -> str:
        """End it."""
        operations.withdraw(grant=grant, by=request.user, now=timezone.now())
        return f"{grant.client} may no longer act for {grant.user} there."

    @admin.display(description="Audience", ordering="audience")
    def audience_shown(self, grant: DelegationGrant) -> str:
        """Return the audience as text."""
        return inert(grant.audience)


class TrustedIssuerAdmin(ConfigAdmin):
    """Issuers whose access tokens say who a person is."""

    list_display = ["issuer", "audience", "username_claim", "enabled"]
    formfield_overrides = SHORT_JSON
    fields = ["issuer", "jwks_url", "audience", "username_claim", "scopes", "plain_jwt", "enabled"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: disable it instead."""
        return False


class IssuedTokenAdmin(OperationsAdmin, EvidenceAdmin):
    """Tokens that may still be about: who acts for whom, and where. The tokens themselves are kept nowhere."""

    list_display = [
        "actor_shown",
        "username",
        "audience_shown",
        "scope",
        "issued_at",
        "expires_at",
        "revoked_at",
    ]
    search_fields = ["actor", "username", "audience"]
    fields = ["jti", "actor_shown", "subject", "username", "client_id", "audience_shown", "scope", "run"]
    fields += ["issued_at", "expires_at", "revoked_at", "revoked_by"]
    buttons = (REVOKE,)

    def offered_buttons(self, request: HttpRequest, obj: IssuedToken) -> list[Button]:
        """Offer to revoke what stands."""
        return [REVOKE] if obj.revoked_at is None and request.user.has_perm(operations.REVOKE) else []

    def revoke(self, request: HttpRequest, token: IssuedToken) -> str:
        """Take it back."""
        operations.revoke(token=token, by=request.user, now=timezone.now())
        return "The token is no longer accepted here."

    @admin.display(description="Acting", ordering="actor")
    def actor_shown(self, token: IssuedToken) -> str:
        """Return who acts; an agent for itself is its own subject."""
        return inert(token.actor or token.subject)

    @admin.display(description="Audience", ordering="audience")
    def audience_shown(self, token: IssuedToken) -> str:
        """Return the audience as text."""
        return inert(token.audience)
