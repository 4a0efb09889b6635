"""What reviews of a risk tier must meet: the tenant's row, or the default."""

from dataclasses import dataclass
from datetime import timedelta

from governance.types import Risk
from hitl.reviews.models import ReviewTier
from hitl.reviews.types import Assurance


@dataclass(frozen=True, kw_only=True)
class Tier:
    """The rules of one tier. A veto window of zero length asks for approval instead."""

    expires_after: timedelta = timedelta(hours=1)
    veto_window: timedelta = timedelta(minutes=5)
    min_assurance: Assurance = Assurance.CHAT
    feedback_rounds: int = 3


DEFAULTS = {
    Risk.LOW: Tier(),
    Risk.MEDIUM: Tier(),
    Risk.HIGH: Tier(min_assurance=Assurance.TOKEN),
    Risk.CRITICAL: Tier(min_assurance=Assurance.STEP_UP),
}


def tier_of(risk: Risk) -> Tier:
    """Return the rules in force for the tier."""
    row = ReviewTier.objects.filter(risk=risk).first()
    if row is None:
        return DEFAULTS[risk]
    return Tier(
        expires_after=timedelta(seconds=row.expires_after_s),
        veto_window=timedelta(seconds=row.veto_window_s),
        min_assurance=Assurance(row.min_assurance),
        feedback_rounds=row.feedback_rounds,
    )


def is_enough(given: Assurance, needed: str) -> bool:
    """Tell whether the platform is as sure of who decides as the tier asks."""
    order = list(Assurance)
    return order.index(given) >= order.index(Assurance(needed))
