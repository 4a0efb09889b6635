"""Asks people."""

from django.apps import AppConfig

VERBS = ("view", "add", "change", "delete")


class HitlConfig(AppConfig):
    """Say which roles see and decide reviews."""

    name = "hitl"
    verbose_name = "Human review"

    def ready(self) -> None:
        """Fill the role registry."""
        from auditlog.registry import auditlog

        from governance.access import roles
        from hitl.grants import receivers as grants
        from hitl.reviews.models import ReviewPlan, ReviewTier
        from hitl.routing.wiring import connect_routing
        from tenants.timers.registry import TIMERS

        rules = [f"hitl.{verb}_{what}" for what in ("reviewplan", "reviewtier") for verb in VERBS]
        roles.grant(
            admin=["hitl.view_review", "hitl.decide_review", "hitl.view_vote", *rules],
            reviewer=["hitl.view_review", "hitl.decide_review", "hitl.view_vote"],
            operator=["hitl.view_review"],
            viewer=["hitl.view_review"],
            auditor=["hitl.view_review", "hitl.view_vote"],
        )
        for model in (ReviewPlan, ReviewTier):
            auditlog.register(model)
        TIMERS.add("review.expire", "hitl.reviews.deadlines:on_expiry")
        TIMERS.add("review.veto", "hitl.reviews.deadlines:on_veto_end")
        roles.grant(
            admin=["hitl.view_grant", "hitl.add_grant", "hitl.revoke_grant"],
            reviewer=["hitl.view_grant", "hitl.add_grant"],
            operator=["hitl.view_grant", "hitl.revoke_grant"],
            viewer=["hitl.view_grant"],
            auditor=["hitl.view_grant"],
        )
        grants.listen()
        connect_routing()
        _escalation()


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
