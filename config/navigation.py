"""What the sidebar of a tenant's admin offers: its work first, and only what the person may see."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from hitl.reviews.models import Review
from tenants.kernel.context import PUBLIC


@dataclass(frozen=True, kw_only=True)
class Link:
    """A list in the admin. `model` is written app.model; `query` selects rows."""

    title: str
    icon: str
    model: str
    query: str = ""
    permission: str = ""
    """Of the list, where it is not the model's own to view."""

    def may_be_seen_by(self, user: Any) -> bool:
        """Ask for the permission that the list itself asks for."""
        app, model = self.model.split(".")
        return bool(user.has_perm(self.permission or f"{app}.view_{model}"))

    def item(self) -> dict[str, Any]:
        """Return the link as the theme wants it."""
        url = reverse(f"admin:{self.model.replace('.', '_')}_changelist")
        return {"title": self.title, "icon": self.icon, "link": f"{url}{self.query}"}


REVIEWS = Link(title="Reviews", icon="fact_check", model="hitl.review", query="?status__exact=pending")
GROUPS = {
    "Work": (
        REVIEWS,
        Link(
            title="Standing grants",
            icon="how_to_vote",
            model="hitl.standinggrant",
            permission="hitl.view_grant",
        ),
        Link(title="Runs", icon="play_circle", model="agents.run"),
    ),
    "Reviewers": (
        Link(title="Queues", icon="inbox", model="hitl.reviewqueue"),
        Link(title="On-call schedules", icon="calendar_month", model="hitl.schedule"),
        Link(title="Reviewers", icon="person_check", model="hitl.reviewerprofile"),
        Link(title="Substitutions", icon="swap_horiz", model="hitl.substitution"),
    ),
    "Agents": (
        Link(title="Agents", icon="smart_toy", model="agents.agent"),
        Link(title="Tools", icon="build", model="agents.tool"),
        Link(title="MCP servers", icon="dns", model="agents.toolserver"),
        Link(title="Credentials", icon="key_vertical", model="agents.toolsecret"),
    ),
    "Escalation": (
        Link(title="Service levels", icon="timer", model="hitl.servicelevel"),
        Link(title="Escalation policies", icon="stairs", model="hitl.escalationpolicy"),
        Link(title="Escalations", icon="notifications_active", model="hitl.escalationstate"),
        Link(title="Escalation events", icon="history", model="hitl.escalationevent"),
        Link(title="Heartbeat", icon="monitor_heart", model="hitl.escalationheartbeat"),
    ),
    "Limits": (
        Link(title="Kill switches", icon="emergency_home", model="agents.halt"),
        Link(title="Circuits", icon="electrical_services", model="agents.circuit"),
        Link(title="Concurrency caps", icon="speed", model="agents.concurrencycap"),
    ),
    "Costs": (
        Link(title="Budgets", icon="account_balance_wallet", model="governance.budget"),
        Link(title="Usage", icon="bar_chart", model="governance.usagerecord"),
        Link(title="Reservations", icon="pending_actions", model="governance.reservation"),
        Link(title="Prices", icon="sell", model="governance.price"),
        Link(title="Rate limits", icon="speed", model="governance.ratelimit"),
    ),
    "Notifications": (
        Link(title="Endpoints", icon="campaign", model="hitl.endpoint"),
        Link(title="Outbox", icon="outbox", model="hitl.notification"),
    ),
    "Rules": (
        Link(title="Policies", icon="policy", model="governance.policy"),
        Link(title="Risk thresholds", icon="trending_up", model="governance.riskthreshold"),
        Link(title="What raises a risk", icon="thermometer", model="governance.riskprofile"),
        Link(title="Guardrails", icon="shield", model="governance.guardrailbinding"),
        Link(title="Guardrail findings", icon="search_insights", model="governance.guardrailfinding"),
        Link(title="Redacted values", icon="visibility_off", model="governance.redactedvalue"),
        Link(title="Trusted directories", icon="contacts", model="governance.trustedsource"),
        Link(title="Review plans", icon="how_to_vote", model="hitl.reviewplan"),
        Link(title="Review tiers", icon="stairs", model="hitl.reviewtier"),
    ),
    "Audit": (
        Link(title="Events", icon="history", model="governance.auditevent"),
        Link(title="Checkpoints", icon="verified", model="governance.auditcheckpoint"),
        Link(title="Configuration changes", icon="tune", model="auditlog.logentry"),
    ),
    "Access": (
        Link(title="People", icon="group", model="governance.user"),
        Link(title="Feature flags", icon="flag", model="waffle.flag"),
        Link(title="Roles", icon="badge", model="governance.role"),
        Link(title="Groups", icon="groups", model="auth.group"),
        Link(title="API keys", icon="key", model="governance.apikey", permission="governance.add_apikey"),
        Link(title="API sessions", icon="login", model="knox.authtoken"),
        Link(title="Identity providers", icon="passkey", model="governance.identityprovider"),
        Link(title="Second factors", icon="phonelink_lock", model="mfa.authenticator"),
        Link(title="Failed sign-ins", icon="lock_clock", model="axes.accessattempt"),
    ),
    "Acting for people": (
        Link(title="Token clients", icon="robot_2", model="governance.tokenclient"),
        Link(title="Delegations", icon="handshake", model="governance.delegationgrant"),
        Link(title="Trusted issuers", icon="domain_verification", model="governance.trustedissuer"),
        Link(title="Signing keys", icon="encrypted", model="governance.signingkey"),
        Link(title="Issued tokens", icon="token", model="governance.issuedtoken"),
    ),
}


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the groups of links; empty on the platform's host, where the theme lists every model."""
    if request.tenant.schema_name == PUBLIC:  # type: ignore[attr-defined]  # set by TenantMiddleware
        return []
    overview = {"title": "Overview", "icon": "dashboard", "link": reverse("home"), "active": False}
    groups: list[dict[str, Any]] = [{"items": [overview]}]
    for title, links in GROUPS.items():
        items = [_item(link) for link in links if link.may_be_seen_by(request.user)]
        if items:
            groups.append({"title": title, "items": items})
    return groups


def _item(link: Link) -> dict[str, Any]:
    item = link.item()
    if link is REVIEWS:
        item |= {"badge": Review.objects.pending().count(), "badge_variant": "primary"}
    return item
