"""Principals: people, and the identities under which agents act."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser, Group, Permission
from django.db import models, transaction

from governance.types import SecurityLevel


class User(AbstractUser):
    """A principal of one tenant (or, in the public schema, of the platform)."""

    class Kind(models.TextChoices):
        PERSON = "person"
        AGENT = "agent"

    kind = models.CharField(max_length=12, choices=Kind.choices, default=Kind.PERSON, editable=False)
    clearance = models.CharField(
        max_length=12,
        choices=[(level.value, level.value) for level in SecurityLevel],
        default=SecurityLevel.CONFIDENTIAL,
        help_text="Up to which security level agents and tools may work for this person. Admins: restricted.",
    )

    scoped_to: frozenset[str] | None = None
    """The permissions that the API key in use is limited to; None where the person signed in themselves."""

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Tell whether the person has the permission, and the key they came with its scope."""
        return (self.scoped_to is None or perm in self.scoped_to) and super().has_perm(perm, obj)

    def has_module_perms(self, app_label: str) -> bool:
        """Tell whether the person has any permission of the app, within the scopes of the key in use."""
        within = self.scoped_to is None or any(name.startswith(f"{app_label}.") for name in self.scoped_to)
        return within and super().has_module_perms(app_label)

    def get_all_permissions(self, obj: Any = None) -> set[str]:
        """Return the person's permissions, within the scopes of the key in use."""
        own = super().get_all_permissions(obj)
        return own if self.scoped_to is None else own & self.scoped_to

    @transaction.atomic
    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save; a new password ends the API sessions that the old one began.

        In one transaction with what listens before it: a quota that admits a person holds until they are stored.
        """
        password_is_new = self._password is not None  # type: ignore[attr-defined]  # set by set_password
        from knox.models import AuthToken  # it refers to this model

        super().save(*args, **kwargs)
        if password_is_new:
            AuthToken.objects.filter(user=self).delete()

    class Meta(AbstractUser.Meta):
        constraints = [
            models.CheckConstraint(
                name="agents_are_never_staff",
                condition=models.Q(kind="person") | models.Q(is_staff=False, is_superuser=False),
            )
        ]


class Role(models.Model):
    """A set of permissions with a name, and the roles whose permissions it has too.

    Its group holds all of them together, so that asking for a right never follows the inheritance.
    """

    group = models.OneToOneField(Group, on_delete=models.CASCADE, related_name="role", editable=False)
    name = models.CharField(max_length=150, unique=True)
    description = models.CharField(max_length=300, blank=True)
    parents = models.ManyToManyField(
        "self",
        symmetrical=False,
        blank=True,
        related_name="children",
        help_text="Roles whose permissions this one has too.",
    )
    permissions = models.ManyToManyField(Permission, blank=True, related_name="+")
    built_in = models.BooleanField(default=False, editable=False)

    class Meta:
        ordering = ["name"]
        permissions = [("check_permission", "Can ask what others may do, and why")]

    def __str__(self) -> str:
        return self.name


class IdempotencyRecord(models.Model):
    """The first answer given to an Idempotency-Key, kept to be given again."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    request_digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="one_answer_per_key")]

    def __str__(self) -> str:
        return self.key
