"""Prices, budgets, rates, reservations and usage in the admin."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from governance.metering import operations, reports
from governance.metering.models import Budget, Price, Reservation, UsageRecord
from governance.metering.types import PriceKind
from governance.metering.words import PER, amount_in_words, dollars, whose
from tenants.kernel.admin import LABELS, Button, ConfigAdmin, EvidenceAdmin, OperationsAdmin, display

BILLED = Button(
    method="was_billed",
    label="It was billed",
    help="The provider's bill has it: the estimate stays counted.",
)
NOT_BILLED = Button(
    method="was_not_billed",
    label="It was not billed",
    help="The provider's bill does not have it: what was counted is given back to its budgets.",
    variant="default",
)


class _NeverDeleted(ConfigAdmin):
    """What usage refers to is kept."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False


class PriceAdmin(_NeverDeleted):
    """A price is changed by adding a row that is valid from later on, or from the same moment to correct it."""

    list_display = ["pattern", "kind", "price", "valid", "source"]
    list_filter = ["kind"]
    search_fields = ["pattern", "source"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: calls were charged under it."""
        return False

    @admin.display(description="Price", ordering="micros")
    def price(self, price: Price) -> str:
        """Return it in dollars."""
        per = "a call" if price.kind == PriceKind.TOOL_CALL else "1M tokens"
        return f"{dollars(price.micros)} / {per}"

    @admin.display(description="Valid from (UTC)", ordering="valid_from")
    def valid(self, price: Price) -> str:
        """Return the moment to the minute."""
        return f"{price.valid_from:%Y-%m-%d %H:%M}"


class BudgetAdmin(_NeverDeleted):
    """How much may be spent. What a tier sets is shown, and changed with the tier."""

    list_display = ["name", "whose", "amount", "used", "enabled", "source"]
    list_filter = ["scope", "window", "unit", "enabled", "source"]
    search_fields = ["name", "subject"]
    fields = ["name", "scope", "subject", "window", "unit", "limit", "enabled"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse for the tier's."""
        if obj is not None and obj.source == Budget.Source.TIER:
            return False
        return bool(super().has_change_permission(request, obj))

    @admin.display(description="Whose", ordering="scope")
    def whose(self, budget: Budget) -> str:
        """Return whose calls it counts."""
        return whose(budget.scope, budget.subject)

    @admin.display(description="Limit", ordering="limit")
    def amount(self, budget: Budget) -> str:
        """Return the limit in words."""
        return f"{amount_in_words(budget.limit, budget.unit)} {PER[budget.window]}"  # type: ignore[index]  # a stored Window

    @admin.display(description="Used now")
    def used(self, budget: Budget) -> SafeString | str:
        """Draw the fullest window of this moment."""
        found = reports.standings([budget], now=timezone.now())
        if not found:
            return ""
        fullest = found[0]
        words = f"{amount_in_words(fullest.spent, budget.unit)} spent"
        if fullest.reserved:
            words += f", {amount_in_words(fullest.reserved, budget.unit)} reserved"
        if fullest.whose:
            words += f" by {fullest.whose}"
        return format_html(
            '<svg class="budget-bar is-{}" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
            '<rect class="track" width="100" height="8"/><rect class="fill" width="{}" height="8"/>'
            '<rect class="held" x="{}" width="{}" height="8"/></svg> {}',
            fullest.level,
            f"{fullest.spent_part:g}",
            f"{fullest.spent_part:g}",
            f"{fullest.reserved_part:g}",
            words,
        )


class RateLimitAdmin(ConfigAdmin):
    """How many requests or tokens a minute may hold."""

    list_display = ["scope", "subject", "unit", "per_minute", "enabled"]
    list_filter = ["scope", "unit", "enabled"]


class ReservationAdmin(OperationsAdmin, EvidenceAdmin):
    """What calls hold in budgets. Who may, says of a lost call whether the provider billed it."""

    list_display = ["when", "name", "agent_name", "user_name", "status_label", "most", "cost"]
    list_filter = ["status", "kind"]
    search_fields = ["name", "agent_name", "user_name", "run_id", "step_id"]
    buttons = (BILLED, NOT_BILLED)
    show_full_result_count = False

    def offered_buttons(self, request: HttpRequest, obj: Any) -> list[Button]:
        """Offer both while it waits for somebody's word."""
        waits = obj.status == Reservation.Status.UNKNOWN
        return list(self.buttons) if waits and request.user.has_perm(operations.RECONCILE) else []

    def was_billed(self, request: HttpRequest, reservation: Reservation) -> str:
        """Keep what was counted."""
        operations.reconcile(reservation=reservation, was_billed=True, by=request.user, now=timezone.now())
        return "Reconciled: it costs what was estimated."

    def was_not_billed(self, request: HttpRequest, reservation: Reservation) -> str:
        """Give back what was counted."""
        operations.reconcile(reservation=reservation, was_billed=False, by=request.user, now=timezone.now())
        return "Reconciled: it costs nothing."

    @admin.display(description="At (UTC)", ordering="id")
    def when(self, reservation: Reservation) -> str:
        """Return the moment to the second."""
        return f"{reservation.created_at:%Y-%m-%d %H:%M:%S}"

    @display(description="Status", label=LABELS, ordering="status")  # type: ignore[untyped-decorator]  # untyped upstream
    def status_label(self, reservation: Reservation) -> str:
        """Return the status as a label."""
        return reservation.get_status_display()

    @admin.display(description="At most")
    def most(self, reservation: Reservation) -> str:
        """Return the estimate in dollars."""
        return _in_dollars(reservation.estimate)

    @admin.display(description="Cost")
    def cost(self, reservation: Reservation) -> str:
        """Return the cost in dollars, once it is known."""
        return _in_dollars(reservation.actual)


class UsageRecordAdmin(EvidenceAdmin):
    """What each call used, newest first."""

    list_display = [
        "when",
        "kind",
        "name",
        "agent_name",
        "user_name",
        "tokens",
        "cost",
        "estimated",
        "correction",
    ]
    list_filter = ["kind", "estimated", "correction"]
    search_fields = ["name", "agent_name", "user_name", "run_id", "step_id"]
    show_full_result_count = False

    @admin.display(description="At (UTC)", ordering="id")
    def when(self, usage: UsageRecord) -> str:
        """Return the moment to the second."""
        return f"{usage.at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="Tokens")
    def tokens(self, usage: UsageRecord) -> str:
        """Return tokens in, of which cached, and out."""
        cached = f" ({usage.cached_tokens:,} cached)" if usage.cached_tokens else ""
        return f"{usage.input_tokens:,} in{cached}, {usage.output_tokens:,} out"

    @admin.display(description="Cost", ordering="cost_micros")
    def cost(self, usage: UsageRecord) -> str:
        """Return the cost in dollars."""
        return "no price" if usage.cost_micros is None else dollars(usage.cost_micros)


def _in_dollars(charge: Any) -> str:
    return dollars(charge["micros"]) if charge and charge["micros"] is not None else ""
