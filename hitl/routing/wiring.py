"""Connect routing when apps are ready: its permissions, its change log, its signals and its timer."""

from auditlog.registry import auditlog

from governance.access import roles
from hitl.reviews.eligibility import STANDS_IN_FOR
from hitl.reviews.signals import review_changed, review_opened
from hitl.routing import duty, models, operations
from tenants.timers.registry import TIMERS

CONFIGURED = (
    models.ReviewQueue,
    models.ReviewerProfile,
    models.Schedule,
    models.Rotation,
    models.ScheduleOverride,
    models.Substitution,
)


def connect_routing() -> None:
    """Fill the registries that routing has a part in."""
    names = [model._meta.model_name for model in CONFIGURED]
    see = [f"hitl.view_{name}" for name in names]
    manage = [f"hitl.{verb}_{name}" for verb in ("add", "change", "delete") for name in names]
    roles.grant(
        admin=[*see, *manage, operations.ASSIGN],
        operator=see,
        reviewer=see,
        viewer=see,
        auditor=see,
    )
    for model in CONFIGURED:
        auditlog.register(model)
    review_opened.connect(operations.on_review_opened, dispatch_uid="routing.review_opened")
    review_changed.connect(operations.on_review_changed, dispatch_uid="routing.review_changed")
    STANDS_IN_FOR.append(duty.standing_in)
    TIMERS.add(operations.CLAIM_TIMER, "hitl.routing.operations:on_claim_timer")
