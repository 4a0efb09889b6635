"""Asks people."""

from django.apps import AppConfig

VERBS = ("view", "add", "change", "delete")


class HitlConfig(AppConfig):
    """Say which roles see and decide reviews, and connect what follows a review to its signals.

    The order matters: a standing grant may decide a review before anybody is assigned, told or called.
    """

    name = "hitl"
    verbose_name = "Human review"

    def ready(self) -> None:
        """Fill the registries."""
        from hitl.grants import receivers as grants
        from hitl.routing.wiring import connect_routing

        _reviews()
        grants.listen()
        connect_routing()
        _notifications()
        _escalation()
        _desk()
        _scopes()


def _reviews() -> None:
    """Say who reads, decides and rules reviews and grants, and set their deadlines."""
    from auditlog.registry import auditlog

    from governance.access import roles
    from governance.identity.authentication import keep_personal
    from hitl.reviews.models import ReviewPlan, ReviewTier
    from tenants.timers.registry import TIMERS

    rules = [f"hitl.{verb}_{what}" for what in ("reviewplan", "reviewtier") for verb in VERBS]
    see = ["hitl.view_review", "hitl.view_grant"]
    decide = ["hitl.decide_review", "hitl.view_vote", "hitl.add_grant"]
    roles.grant(
        admin=[*see, *decide, *rules, "hitl.revoke_grant"],
        reviewer=[*see, *decide],
        operator=[*see, "hitl.revoke_grant"],
        viewer=see,
        auditor=[*see, "hitl.view_vote"],
    )
    keep_personal(*decide, *rules, "hitl.assign_review", "hitl.steer_escalation")
    for model in (ReviewPlan, ReviewTier):
        auditlog.register(model)
    TIMERS.add("review.expire", "hitl.reviews.deadlines:on_expiry")
    TIMERS.add("review.veto", "hitl.reviews.deadlines:on_veto_end")


def _notifications() -> None:
    """Tell people of reviews."""
    from auditlog.registry import auditlog

    from governance.access import roles
    from governance.metering.signals import budget_warned
    from hitl.notifications import budgets, listeners
    from hitl.notifications.models import Contact, Endpoint, NotificationRule
    from hitl.reviews import signals
    from tenants.timers.registry import TIMERS

    endpoints = [f"hitl.{verb}_endpoint" for verb in ("view", "add", "change")]
    roles.grant(
        admin=[*endpoints, "hitl.view_notification", "hitl.change_notification"],
        analyst=["hitl.view_endpoint"],
        operator=["hitl.view_endpoint"],
        auditor=["hitl.view_endpoint", "hitl.view_notification"],
    )
    auditlog.register(Endpoint, exclude_fields=["ciphertext", "key_version"])
    auditlog.register(Contact, mask_fields=["address"], exclude_fields=["nonce", "code_tries", "failures"])
    auditlog.register(NotificationRule)
    TIMERS.add("notification", "hitl.notifications.operations:on_timer")
    budget_warned.connect(budgets.on_budget_warned, dispatch_uid="notifications.budget_warned")
    signals.review_opened.connect(listeners.on_opened, dispatch_uid="notifications.opened")
    signals.review_changed.connect(listeners.on_changed, dispatch_uid="notifications.changed")
    signals.review_decided.connect(listeners.on_decided, dispatch_uid="notifications.decided")
    signals.review_unsatisfiable.connect(
        listeners.on_unsatisfiable, dispatch_uid="notifications.unsatisfiable"
    )


def _escalation() -> None:
    """Start, follow and stop escalations with their reviews."""
    from auditlog.registry import auditlog

    from governance.access import roles
    from hitl.escalation import operations as escalation
    from hitl.escalation.models import EscalationPolicy, EscalationPolicyVersion, ServiceLevel
    from hitl.reviews.signals import review_changed, review_decided, review_opened
    from tenants.timers.registry import TIMERS

    escalations = ["escalationpolicy", "escalationpolicyversion", "escalationstate", "escalationevent"]
    see = [f"hitl.view_{name}" for name in (*escalations, "escalationheartbeat", "servicelevel")]
    configured = ("escalationpolicy", "servicelevel")
    configure = [f"hitl.{verb}_{name}" for name in configured for verb in ("add", "change")]
    steer = ["hitl.steer_escalation"]
    roles.grant(
        admin=[*see, *configure, *steer], operator=[*see, *steer], reviewer=see, viewer=see, auditor=see
    )
    review_opened.connect(escalation.on_review_opened, dispatch_uid="escalation.review_opened")
    review_changed.connect(escalation.on_review_changed, dispatch_uid="escalation.review_changed")
    review_decided.connect(escalation.on_review_decided, dispatch_uid="escalation.review_decided")
    TIMERS.add("review.escalate", "hitl.escalation.waking:on_timer")
    TIMERS.add("review.sla", "hitl.escalation.levels:on_timer")
    auditlog.register(EscalationPolicy, exclude_fields=["coverage", "coverage_at"])
    for model in (EscalationPolicyVersion, ServiceLevel):
        auditlog.register(model)


def _desk() -> None:
    """Say who keeps lists and sees figures, and count reviews."""
    from auditlog.registry import auditlog

    from governance.access import roles
    from hitl.desk.models import SavedView
    from tenants.usage.registry import METERS

    own_views = ["hitl.add_savedview", "hitl.delete_savedview"]
    roles.grant(
        admin=[*own_views, "hitl.share_savedview", "hitl.view_analytics"],
        reviewer=[*own_views, "hitl.share_savedview"],
        operator=own_views,
        viewer=own_views,
        auditor=[*own_views, "hitl.view_analytics"],
    )
    auditlog.register(SavedView)
    METERS.add("reviews", "hitl.usage:REVIEWS")


def _scopes() -> None:
    """Say what API keys for reviews may be limited to."""
    from governance.access.keys import scopes

    see = ["hitl.view_review", "hitl.view_grant", "hitl.view_vote"]
    scopes.offer(
        reviews_read=see,
        reviews_write=[*see, "hitl.decide_review", "hitl.add_grant", "hitl.revoke_grant"],
    )
