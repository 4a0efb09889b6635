"""What people read about a decision: the one who takes it, and those who come after."""

from dataclasses import dataclass

from hitl.reviews.models import Review
from hitl.reviews.types import DecisionVerb


@dataclass(frozen=True, kw_only=True)
class Word:
    """A decision in plain words. `tone` is the status whose colour it has."""

    said: str
    done: str
    tone: str


WORDS: dict[str, dict[DecisionVerb, Word]] = {
    Review.Kind.TOOL_CALL: {
        DecisionVerb.APPROVE: Word(said="approved", done="Approved.", tone="approved"),
        DecisionVerb.EDIT: Word(
            said="approved with changes", done="Approved with your changes.", tone="approved"
        ),
        DecisionVerb.REJECT: Word(said="rejected", done="Rejected.", tone="rejected"),
    },
    Review.Kind.OUTCOME: {
        DecisionVerb.IT_HAPPENED: Word(
            said="it happened", done="Recorded: it happened. Nothing runs again.", tone="answered"
        ),
        DecisionVerb.IT_DID_NOT: Word(
            said="it did not happen", done="Recorded: it did not happen.", tone="answered"
        ),
        DecisionVerb.RETRY: Word(said="run it again", done="Recorded: run it again.", tone="waiting"),
    },
    Review.Kind.HANDOFF: {
        DecisionVerb.RESPOND: Word(said="answered", done="Your answer was sent.", tone="answered"),
        DecisionVerb.RETRY: Word(said="try again", done="The agent tries again.", tone="answered"),
        DecisionVerb.REJECT: Word(said="gave up", done="Given up: the run ends.", tone="rejected"),
    },
}
"""For each kind of review, the words of the decisions it can be told."""
