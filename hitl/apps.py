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
        from hitl.notifications import listeners
        from hitl.notifications.models import Contact, Endpoint, NotificationRule
        from hitl.reviews import signals
        from hitl.reviews.models import ReviewPlan, ReviewTier
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
        endpoints = [f"hitl.{verb}_endpoint" for verb in ("view", "add", "change")]
        roles.grant(admin=[*endpoints, "hitl.view_notification", "hitl.change_notification"])
        roles.grant(operator=["hitl.view_endpoint"], auditor=["hitl.view_endpoint", "hitl.view_notification"])
        auditlog.register(Endpoint, exclude_fields=["ciphertext", "key_version"])
        auditlog.register(
            Contact, mask_fields=["address"], exclude_fields=["nonce", "code_tries", "failures"]
        )
        auditlog.register(NotificationRule)
        TIMERS.add("review.expire", "hitl.reviews.deadlines:on_expiry")
        TIMERS.add("review.veto", "hitl.reviews.deadlines:on_veto_end")
        TIMERS.add("notification", "hitl.notifications.operations:on_timer")
        signals.review_opened.connect(listeners.on_opened, dispatch_uid="notifications.opened")
        signals.review_changed.connect(listeners.on_changed, dispatch_uid="notifications.changed")
        signals.review_decided.connect(listeners.on_decided, dispatch_uid="notifications.decided")
        signals.review_unsatisfiable.connect(
            listeners.on_unsatisfiable, dispatch_uid="notifications.unsatisfiable"
        )
