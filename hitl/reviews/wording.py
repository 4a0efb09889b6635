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


BESIDES = {
    DecisionVerb.REQUEST_INFO: Word(
        said="asked back", done="Your question was put. The review stays open.", tone="waiting"
    ),
    DecisionVerb.WITHDRAW: Word(said="took the vote back", done="Your vote is taken back.", tone="waiting"),
    DecisionVerb.CANCEL_RUN: Word(
        said="cancelled the run", done="The run is cancelled; nothing of it runs any more.", tone="rejected"
    ),
}
"""What may be said to a review of any kind, beside its own words."""
ANSWERED = Word(said="answered", done="Your answer was sent.", tone="answered")
WORDS: dict[str, dict[DecisionVerb, Word]] = {
    Review.Kind.TOOL_CALL: {
        DecisionVerb.APPROVE: Word(said="approved", done="Approved.", tone="approved"),
        DecisionVerb.EDIT: Word(said="edited", done="Your changes are in place.", tone="answered"),
        DecisionVerb.FEEDBACK: Word(
            said="sent back", done="Sent back: the agent tries again with your guidance.", tone="waiting"
        ),
        DecisionVerb.REJECT: Word(said="rejected", done="Rejected.", tone="rejected"),
        **BESIDES,
    },
    Review.Kind.OUTCOME: {
        DecisionVerb.IT_HAPPENED: Word(
            said="it happened", done="Recorded: it happened. Nothing runs again.", tone="answered"
        ),
        DecisionVerb.IT_DID_NOT: Word(
            said="it did not happen", done="Recorded: it did not happen.", tone="answered"
        ),
        DecisionVerb.RETRY: Word(said="run it again", done="Recorded: run it again.", tone="waiting"),
        **BESIDES,
    },
    Review.Kind.HANDOFF: {
        DecisionVerb.RESPOND: ANSWERED,
        DecisionVerb.RETRY: Word(said="try again", done="The agent tries again.", tone="answered"),
        DecisionVerb.REJECT: Word(said="gave up", done="Given up: the run ends.", tone="rejected"),
        **BESIDES,
    },
    Review.Kind.QUESTION: {DecisionVerb.RESPOND: ANSWERED, **BESIDES},
    Review.Kind.ESCALATION: {DecisionVerb.RESPOND: ANSWERED, **BESIDES},
}
"""For each kind of review, the words of the decisions it can be told."""
