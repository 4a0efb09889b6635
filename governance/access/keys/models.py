"""API keys of people."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models

from tenants.kernel.models import Identified


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    """Questions about keys."""

    def seen_by(self, user: Any) -> "ApiKeyQuerySet":
        """Return one's own keys, and everybody's for those who may view them."""
        return self.all() if user.has_perm("governance.view_apikey") else self.filter(owner=user.pk)


class ApiKey(Identified):
    """A key of a person. It may what its scopes and its owner both may. The key itself is not stored."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", editable=False
    )
    name = models.CharField(max_length=80, help_text="What it is for.")
    prefix = models.CharField(max_length=12, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(default=list, editable=False)
    allowed_ips = models.JSONField(
        default=list, blank=True, editable=False, help_text="Networks it may come from; empty for any."
    )
    created_at = models.DateTimeField(editable=False)
    expires_at = models.DateTimeField(editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)
    replaced_by = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name = "API key"
        permissions = [("revoke_apikey", "Can end other people's API keys")]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def is_over(self, now: datetime) -> bool:
        """Tell whether the key has expired or was revoked."""
        return self.revoked_at is not None or self.expires_at <= now
