"""Identity providers of a tenant, and which roles they may give."""

from typing import Any

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models

from tenants.kernel.models import Identified
from tenants.keys import operations as keys
from tenants.keys.operations import Place, Sealed

SLUG = RegexValidator(r"\A[a-z0-9][a-z0-9-]*\Z", "Use lower-case letters, digits and hyphens.")


class IdentityProvider(Identified):
    """Where people of this tenant may sign in besides here: OpenID Connect, SAML or an LDAP directory."""

    class Kind(models.TextChoices):
        OIDC = "oidc", "OpenID Connect"
        SAML = "saml", "SAML 2.0"
        LDAP = "ldap", "LDAP directory"

    kind = models.CharField(max_length=8, choices=Kind.choices)
    slug = models.CharField(
        "short name",
        max_length=40,
        unique=True,
        validators=[SLUG],
        help_text="Part of the addresses that the provider is told.",
    )
    name = models.CharField(max_length=80, help_text="What the sign-in page calls it.")
    enabled = models.BooleanField(default=False)
    url = models.CharField(
        "address",
        max_length=500,
        help_text="OpenID Connect: the issuer. SAML: the single sign-on address. LDAP: ldaps://host or ldap://host.",
    )
    client_id = models.CharField(
        "name of the client",
        max_length=500,
        blank=True,
        help_text="OpenID Connect: the client's id. SAML: the provider's entity id. LDAP: the DN that searches.",
    )
    ciphertext = models.BinaryField(null=True, editable=False)
    key_version = models.PositiveIntegerField(default=0, editable=False)
    certificate = models.TextField(
        blank=True,
        help_text="PEM. SAML: what signs assertions. LDAP: the authority of the server's certificate.",
    )
    user_dn = models.CharField(
        "DN of a person",
        max_length=500,
        blank=True,
        help_text="LDAP: the DN of a person, with {username}. Empty to search.",
    )
    search_base = models.CharField(max_length=500, blank=True, help_text="LDAP: where people are searched.")
    search_filter = models.CharField(
        max_length=500, blank=True, default="(uid={username})", help_text="LDAP: what finds a person."
    )
    role_claim = models.CharField(
        max_length=200,
        blank=True,
        help_text="Claim or attribute that names groups, such as groups or memberOf. Empty: gives no roles.",
    )
    links_by_email = models.BooleanField(
        "link people by e-mail",
        default=False,
        help_text="Somebody who is here already signs in as themselves if the provider vouches for their e-mail.",
    )
    creates_people = models.BooleanField(
        "add people",
        default=False,
        help_text="Somebody who is not here yet is added, from the domains below alone.",
    )
    domains = models.CharField(
        max_length=500,
        blank=True,
        help_text="E-mail domains, separated by commas, whose people may be added.",
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse what could not work, or would let in anybody."""
        problems: dict[str, Any] = {}
        if self.creates_people and not self.domain_list:
            problems["domains"] = "Name the domains whose people may be added."
        if self.kind == self.Kind.SAML and not self.certificate.strip():
            problems["certificate"] = "SAML needs the certificate that signs assertions."
        if self.kind != self.Kind.LDAP and not self.client_id:
            problems["client_id"] = "Give the id that the provider uses."
        if self.kind == self.Kind.LDAP:
            if not self.url.startswith(("ldap://", "ldaps://")):
                problems["url"] = "A directory's address begins with ldaps:// or ldap://."
            if bool(self.user_dn) == bool(self.search_base):
                problems["user_dn"] = "Give either the DN of a person or where to search."
            for field in ("user_dn", "search_filter"):
                if getattr(self, field) and "{username}" not in getattr(self, field):
                    problems[field] = "Say where the user name goes: {username}."
        elif not self.url.startswith(("https://", "http://")):
            problems["url"] = "The address begins with https://."
        if problems:
            raise ValidationError(problems)

    @property
    def domain_list(self) -> frozenset[str]:
        """The domains whose people may be added, in lower case."""
        return frozenset(part.strip().lower() for part in self.domains.split(",") if part.strip())

    @property
    def secret(self) -> str:
        """The client's secret or the searching DN's password; empty if none is set. Raises Undecipherable."""
        if self.ciphertext is None:
            return ""
        return keys.unseal(
            Sealed(ciphertext=bytes(self.ciphertext), key_version=self.key_version), self._place()
        )

    def seal(self, value: str) -> None:
        """Put a new secret into the row; the caller saves it."""
        sealed = keys.seal(value, self._place())
        self.ciphertext, self.key_version = sealed.ciphertext, sealed.key_version

    def _place(self) -> Place:
        return Place(model=self._meta.label_lower, field="secret", pk=str(self.pk))


class RoleMapping(models.Model):
    """Who has this value in the provider's claim has this role here, for as long as they have it."""

    provider = models.ForeignKey(IdentityProvider, on_delete=models.CASCADE, related_name="mappings")
    value = models.CharField(max_length=500, help_text="A group as the provider writes it.")
    role = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "value", "role"], name="one_mapping_per_value_and_role"
            )
        ]

    def __str__(self) -> str:
        return f"{self.value} → {self.role}"
