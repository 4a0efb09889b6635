"""How each reviewer likes to work."""

from django.conf import settings
from django.db import models

from tenants.kernel.models import Identified


class ReviewerPreferences(Identified):
    """One person's keys, and what the review page does after a decision."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    shortcuts = models.JSONField(default=dict, help_text="Keys that differ from the usual ones, by action.")
    shortcuts_on = models.BooleanField(default=True)
    goes_on = models.BooleanField(default=True, help_text="Shows the next review after a decision.")

    def __str__(self) -> str:
        return f"preferences of {self.user_id}"
