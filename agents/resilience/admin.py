"""Circuit breakers and concurrency caps in the admin."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from agents.resilience import operations
from agents.resilience.models import Circuit
from tenants.kernel.admin import LABELS, Button, ConfigAdmin, OperationsAdmin, display

RESET = Button(
    method="reset",
    label="Reset this circuit",
    help="It closes: the next calls go through, and failures are counted from zero.",
)
THRESHOLDS = ["fail_after", "retry_after_s", "close_after"]


class CircuitAdmin(OperationsAdmin, ConfigAdmin):
    """Thresholds can be edited; state and counts are the workers'."""

    list_display = ["name", "kind", "state_label", "failures", "opened", *THRESHOLDS]
    list_filter = ["state", "kind"]
    search_fields = ["name"]
    readonly_fields = ["kind", "name", "state_label", "failures", "successes", "opened"]
    fields = [*readonly_fields, *THRESHOLDS]
    buttons = (RESET,)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: the first failure of a part makes its circuit."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: reset it instead."""
        return False

    def offered_buttons(self, request: HttpRequest, obj: Any) -> list[Button]:
        """Offer to reset, whatever its state."""
        return [RESET] if request.user.has_perm(operations.CHANGE) else []

    def save_model(self, request: HttpRequest, obj: Circuit, form: Any, change: bool) -> None:
        """Write the thresholds alone, or a state that a worker has changed meanwhile would be lost."""
        obj.save(update_fields=THRESHOLDS)

    def reset(self, request: HttpRequest, circuit: Circuit) -> str:
        """Close it by hand."""
        operations.reset(circuit=circuit, by=request.user, now=timezone.now())
        return f"Reset: {circuit}."

    @display(description="State", label=LABELS)  # type: ignore[untyped-decorator]  # untyped upstream
    def state_label(self, circuit: Circuit) -> str:
        """Return the state as a label."""
        return circuit.state

    @admin.display(description="Opened (UTC)", ordering="opened_at")
    def opened(self, circuit: Circuit) -> str:
        """Return the moment to the second, while it is not closed."""
        return f"{circuit.opened_at:%Y-%m-%d %H:%M:%S}" if circuit.opened_at else ""


class ConcurrencyCapAdmin(ConfigAdmin):
    """How much of a part may be under way at once."""

    list_display = ["part", "kind", "limit"]
    list_filter = ["kind"]
    search_fields = ["name"]
    fields = ["kind", "name", "limit"]

    @admin.display(description="Part", ordering="name")
    def part(self, cap: Any) -> str:
        """Return the name of the part; a tenant's cap has none."""
        return cap.name or "All runs of this tenant"
