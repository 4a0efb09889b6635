"""Keys that sign tokens, clients that ask for them, who consented, and which tokens are about."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models

from governance.identity import claims, jose
from governance.identity.types import TokenRefused
from tenants.kernel import outbound
from tenants.kernel.models import Identified, StatusModel


class SigningKey(StatusModel):
    """A key of the tenant. Published before it signs, and until the last token it signed has expired."""

    class Status(models.TextChoices):
        NEXT = "next"
        CURRENT = "current"
        RETIRED = "retired"

    TRANSITIONS = {
        Status.NEXT: frozenset({Status.CURRENT, Status.RETIRED}),
        Status.CURRENT: frozenset({Status.RETIRED}),
    }

    status = models.CharField(max_length=10, choices=Status.choices, editable=False)
    kid = models.CharField("key id", max_length=64, unique=True, editable=False)
    public_jwk = models.JSONField(editable=False)
    ciphertext = models.BinaryField(editable=False)
    key_version = models.PositiveIntegerField(editable=False)
    created_at = models.DateTimeField(editable=False)
    current_at = models.DateTimeField(null=True, editable=False)
    retired_at = models.DateTimeField(null=True, editable=False)
    published_until = models.DateTimeField(
        null=True, editable=False, help_text="When a retired key leaves the key set."
    )

    class Meta:
        ordering = ["-created_at"]
        permissions = [("rotate_signingkey", "Can rotate the keys that sign tokens")]
        constraints = [
            models.UniqueConstraint(
                fields=["status"],
                condition=models.Q(status="next") | models.Q(status="current"),
                name="one_next_and_one_current_key",
            )
        ]

    def __str__(self) -> str:
        return self.kid


class TokenClient(Identified):
    """A program that may exchange tokens here. Its id is its `client_id`."""

    name = models.CharField(max_length=120, unique=True)
    agent_id = models.UUIDField(
        "agent",
        null=True,
        blank=True,
        help_text="Id of the agent it acts as; empty for a service that acts as itself.",
    )
    secret_hash = models.CharField(max_length=64, blank=True, editable=False)
    jwks = models.JSONField(
        "public keys",
        default=dict,
        blank=True,
        help_text='Its key set, {"keys": […]}, with which its assertions are checked. Empty: it has a secret.',
    )
    audiences = models.JSONField(
        default=dict,
        help_text="Each audience it may get tokens for, with the scopes it may have there: "
        '{"https://orders.example.com": ["orders:read"]}.',
    )
    may_delegate_for = models.JSONField(
        default=list,
        blank=True,
        help_text='Roles whose people it may act for, such as ["operator"]. Their consent is needed besides.',
    )
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def actor(self) -> str:
        """Return what it is called in `act`."""
        return f"agent:{self.agent_id}" if self.agent_id else f"client:{self.pk}"

    def clean(self) -> None:
        """Refuse key sets, audiences and roles that are not of the shape they are used in."""
        problems = {
            "jwks": _key_set_problem(self.jwks) if self.jwks else "",
            "audiences": _audiences_problem(self.audiences),
            "may_delegate_for": "" if _is_names(self.may_delegate_for) else "Give a list of roles.",
        }
        if any(problems.values()):
            raise ValidationError({name: problem for name, problem in problems.items() if problem})


def _key_set_problem(jwks: Any) -> str:
    keys = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(keys, list) or not keys or not all(isinstance(key, dict) for key in keys):
        return 'Give a key set: {"keys": [{"kty": "EC", "crv": "P-256", …}]}.'
    for n, key in enumerate(keys, 1):
        try:
            jose.public_key(key)
        except ValueError as error:
            return f"Key {n}: {error}."
        if not isinstance(key.get("kid"), str):
            return f"Key {n} has no kid."
    return ""


def _audiences_problem(audiences: Any) -> str:
    if not isinstance(audiences, dict):
        return "Map each audience to a list of scopes."
    for audience, scopes in audiences.items():
        try:
            claims.check_target(audience)
        except TokenRefused as refusal:
            return f"{audience}: {refusal.detail}"
        if not _is_names(scopes):
            return f"{audience}: give a list of scopes; it may be empty."
    return ""


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) and name.strip() == name for name in value)


class DelegationGrantQuerySet(models.QuerySet["DelegationGrant"]):
    """Questions about consent."""

    def standing(
        self, *, user_id: int, client: TokenClient, audience: str, now: datetime
    ) -> "DelegationGrantQuerySet":
        """Return what lets the client act for the person at the audience now."""
        return self.filter(
            user_id=user_id, client=client, audience=audience, revoked_at=None, expires_at__gt=now
        )


class DelegationGrant(Identified):
    """A person lets a client act for them at one audience, for a time."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", verbose_name="person"
    )
    client = models.ForeignKey(TokenClient, on_delete=models.PROTECT, related_name="+")
    audience = models.CharField(max_length=claims.MAX_TEXT)
    scopes = models.JSONField(default=list, blank=True, help_text='What it may have there: ["orders:read"].')
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=150, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    objects = DelegationGrantQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        verbose_name = "delegation"

    def __str__(self) -> str:
        return f"{self.client} for {self.user} at {self.audience}"

    def clean(self) -> None:
        """Refuse an audience that the client may not get tokens for, and malformed scopes."""
        if not _is_names(self.scopes):
            raise ValidationError({"scopes": "Give a list of scopes; it may be empty."})
        if self.client_id and self.audience not in self.client.audiences:
            raise ValidationError({"audience": f"{self.client} may not get tokens for this audience."})


class TrustedIssuer(Identified):
    """Somebody else whose access tokens say who a person of this tenant is."""

    issuer = models.CharField(
        max_length=claims.MAX_TEXT, unique=True, help_text="Exactly as its tokens say in iss."
    )
    jwks_url = models.CharField("key set URL", max_length=2000)
    audience = models.CharField(
        max_length=claims.MAX_TEXT, help_text="What its tokens for this tenant say in aud."
    )
    username_claim = models.CharField(
        max_length=60, default="preferred_username", help_text="The claim that holds the user name here."
    )
    scopes = models.JSONField(
        default=list, blank=True, help_text="Scopes its tokens carry here besides those they name."
    )
    plain_jwt = models.BooleanField(
        "accepts type JWT",
        default=False,
        help_text="Its access tokens say 'JWT' where RFC 9068 wants 'at+jwt'. ID tokens are refused anyway.",
    )
    enabled = models.BooleanField(default=True)

    class Meta:
        ordering = ["issuer"]

    def __str__(self) -> str:
        return self.issuer

    def clean(self) -> None:
        """Refuse a URL that requests must not go to, and malformed scopes."""
        try:
            outbound.check_url(self.jwks_url)
        except outbound.OutboundRefused as error:
            raise ValidationError({"jwks_url": error.detail}) from error
        if not _is_names(self.scopes):
            raise ValidationError({"scopes": "Give a list of scopes; it may be empty."})


class IssuedTokenQuerySet(models.QuerySet["IssuedToken"]):
    """Questions about issued tokens."""

    def over(self, now: datetime) -> "IssuedTokenQuerySet":
        """Return those that nobody accepts any more."""
        return self.filter(expires_at__lt=now)


class IssuedToken(models.Model):
    """A token that may still be about. It can be revoked here; the token itself is kept nowhere."""

    jti = models.UUIDField(primary_key=True, editable=False)
    subject = models.CharField(max_length=claims.MAX_TEXT)
    username = models.CharField(max_length=150, blank=True)
    actor = models.CharField(max_length=claims.MAX_TEXT, blank=True)
    client_id = models.CharField("client", max_length=claims.MAX_TEXT)
    audience = models.CharField(max_length=claims.MAX_TEXT)
    scope = models.TextField(blank=True)
    run = models.CharField(max_length=36, blank=True)
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True, help_text="Its own end, and the skew that is borne.")
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.CharField(max_length=150, blank=True)

    objects = IssuedTokenQuerySet.as_manager()

    class Meta:
        ordering = ["-issued_at"]
        permissions = [("revoke_issuedtoken", "Can revoke issued tokens")]

    def __str__(self) -> str:
        return f"{self.actor or self.subject} at {self.audience}"


class SpentToken(models.Model):
    """The number of a token that may be used once and has been, kept until it expires."""

    digest = models.CharField(primary_key=True, max_length=64, help_text="SHA-256 of issuer and jti.")
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.digest
