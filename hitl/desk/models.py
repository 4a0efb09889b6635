"""How each reviewer likes to work, and the lists that people keep."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from hitl.desk.filters import Filters
from tenants.kernel.models import Identified


class ReviewerPreferences(Identified):
    """One person's keys, and what the review page does after a decision."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    shortcuts = models.JSONField(default=dict, help_text="Keys that differ from the usual ones, by action.")
    shortcuts_on = models.BooleanField(default=True)
    goes_on = models.BooleanField(default=True, help_text="Shows the next review after a decision.")

    def __str__(self) -> str:
        return f"preferences of {self.user_id}"


class SavedViewQuerySet(models.QuerySet["SavedView"]):
    """Questions about saved views."""

    def visible_to(self, user: Any) -> "SavedViewQuerySet":
        """Return a person's own and those that others share."""
        return self.filter(Q(owner=user) | Q(shared=True)).select_related("owner")


class SavedView(Identified):
    """The filters of a list of reviews, under a name."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=60)
    shared = models.BooleanField(default=False, help_text="Everybody who may see reviews has it.")
    filters = models.JSONField(default=dict, help_text="As in the address of the list.")

    objects = SavedViewQuerySet.as_manager()

    class Meta:
        ordering = ["name", "id"]
        permissions = [
            ("share_savedview", "Can share saved views"),
            ("view_analytics", "Can see the figures of every reviewer"),
        ]
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="one_view_of_a_name")]

    def __str__(self) -> str:
        return self.name

    @property
    def query(self) -> str:
        """Return the address's query of the list; filters of an older version are left out."""
        return Filters(chosen=self.filters).query()
