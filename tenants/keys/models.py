"""Data keys of tenants, wrapped under the platform's key. Public schema only."""

from django.db import models
from django.db.models.functions import Now


class TenantKey(models.Model):
    """One version of a tenant's data key. The newest seals; older ones open what they sealed."""

    schema = models.CharField(max_length=48, editable=False)
    version = models.PositiveIntegerField(editable=False)
    wrapped = models.BinaryField(editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["schema", "-version"]
        constraints = [models.UniqueConstraint(fields=["schema", "version"], name="one_key_per_version")]

    def __str__(self) -> str:
        return f"{self.schema} {self.version}"
