"""Standing grants in the admin: what they cover, what they did, and a button that ends one."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from hitl.grants import operations
from hitl.grants.models import StandingGrant
from hitl.grants.wording import covered
from tenants.kernel.admin import LABELS, Button, EvidenceAdmin, OperationsAdmin, display
from tenants.templatetags.display import inert

REVOKE = Button(
    method="revoke",
    label="Revoke this grant",
    help="It answers for no call from now on. Calls that it let through stay as they are.",
    variant="danger",
)


class StandingGrantAdmin(OperationsAdmin, EvidenceAdmin):
    """Read by those who may, ended by its giver and by those who may revoke anybody's."""

    list_display = ["tool", "agent_name", "covers", "state_label", "left", "given_by", "ends"]
    list_filter = ["tool", "scope"]
    search_fields = ["tool", "agent_name", "created_by__username", "reason"]
    list_select_related = ["created_by", "requester", "revoked_by"]
    buttons = (REVOKE,)
    fields = [
        "tool", "agent_name", "agent_version", "scope", "covers", "whose", "state_label", "why_paused", "left",
        "given_by", "why", "assurance", "created_at", "ends", "created_from", "revoked_at", "revoked_by",
    ]  # fmt: skip
    readonly_fields = fields

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let those read who may."""
        return bool(request.user.has_perm(operations.VIEW))

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Show it in the index to those who may read."""
        return self.has_view_permission(request)

    def offered_buttons(self, request: HttpRequest, obj: StandingGrant) -> list[Button]:
        """Offer to end what has not ended."""
        may = obj.created_by_id == request.user.pk or request.user.has_perm(operations.REVOKE)
        return [REVOKE] if may and obj.state(timezone.now()) in {"active", "paused"} else []

    def revoke(self, request: HttpRequest, grant: StandingGrant) -> str:
        """End it."""
        operations.revoke(grant_id=grant.pk, by=request.user, now=timezone.now())
        return f"Revoked: {grant}."

    @admin.display(description="Arguments")
    def covers(self, grant: StandingGrant) -> SafeString:
        """Return the arguments that it covers."""
        return inert(covered(grant))

    @display(description="State", label={**LABELS, "active": "success"})  # type: ignore[untyped-decorator]  # untyped upstream
    def state_label(self, grant: StandingGrant) -> str:
        """Return its state as a label."""
        return grant.state(timezone.now())

    @admin.display(description="Uses left")
    def left(self, grant: StandingGrant) -> str:
        """Return the uses left."""
        return f"{grant.uses_left} of {grant.uses}"

    @admin.display(description="Asked by")
    def whose(self, grant: StandingGrant) -> str:
        """Return whose runs it covers."""
        return grant.requester.username if grant.requester else "Anyone"

    @admin.display(description="Given by")
    def given_by(self, grant: StandingGrant) -> str:
        """Return who gave it."""
        return str(grant.created_by.username)

    @admin.display(description="Reason")
    def why(self, grant: StandingGrant) -> SafeString:
        """Return the reason; what hides or reorders in it is marked."""
        return inert(grant.reason)

    @admin.display(description="Paused because")
    def why_paused(self, grant: StandingGrant) -> SafeString:
        """Return why it paused."""
        return inert(grant.paused_why or "-")

    @admin.display(description="Ends (UTC)", ordering="expires_at")
    def ends(self, grant: StandingGrant) -> str:
        """Return when it ends."""
        return f"{grant.expires_at:%Y-%m-%d %H:%M:%S}"
