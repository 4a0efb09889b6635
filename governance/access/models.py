"""Principals: people, and the identities under which agents act."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models, transaction


class User(AbstractUser):
    """A principal of one tenant (or, in the public schema, of the platform)."""

    class Kind(models.TextChoices):
        PERSON = "person"
        AGENT = "agent"

    kind = models.CharField(max_length=12, choices=Kind.choices, default=Kind.PERSON, editable=False)

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
