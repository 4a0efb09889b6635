"""Timers of every tenant. Public schema only."""

from django.db import models


class Timer(models.Model):
    """Something of a tenant falls due. It carries no payload: the tenant's own row says what is to be done.

    Written in the same transaction as that row. `generation` tells a timer that was overtaken.
    """

    schema = models.CharField(max_length=48)
    kind = models.CharField(max_length=40)
    object_id = models.UUIDField()
    due_at = models.DateTimeField(db_index=True)
    generation = models.PositiveIntegerField(default=0)
    failures = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="In a row; each postpones it longer."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["schema", "kind", "object_id"], name="one_timer_per_object")
        ]

    def __str__(self) -> str:
        return f"{self.kind} at {self.due_at:%Y-%m-%d %H:%M:%S}"
