"""One row that says in which state the rules of a schema are."""

from uuid import uuid4

from django.db import models


class RulebookState(models.Model):
    """The state of the rules of this schema. A trigger on each table of rules gives it a new revision."""

    revision = models.UUIDField(default=uuid4)

    class Meta:
        constraints = [models.CheckConstraint(name="one_rulebook", condition=models.Q(id=1))]

    def __str__(self) -> str:
        return str(self.revision)
