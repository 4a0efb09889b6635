"""What an admin trusts although outsiders' tools return it."""

from django.conf import settings
from django.db import models

from tenants.kernel.models import Identified


class TrustedSource(Identified):
    """A directory: a field of a tool's results whose values a call may use whatever the run has read.

    Such as the address in a company's own address book. Its text fields are never trusted.
    """

    tool = models.CharField(max_length=120, help_text="The tool's name, exactly.")
    field = models.CharField(
        max_length=120,
        default="*",
        help_text="The field of its records, such as email; * for every field that holds data and no text.",
    )
    reason = models.CharField(
        max_length=300, help_text="Why outsiders cannot write there, for whoever reviews this."
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", editable=False
    )

    class Meta:
        ordering = ["tool", "field"]
        constraints = [models.UniqueConstraint(fields=["tool", "field"], name="one_trusted_source")]

    def __str__(self) -> str:
        return f"{self.tool}: {'every field' if self.field == '*' else self.field}"
