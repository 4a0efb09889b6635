"""Instructions to a model where there should be none."""

from governance.guardrails.base import Check
from governance.guardrails.injection import model
from governance.guardrails.types import Finding

LABEL = "prompt_injection"
WORTH_SAYING = 0.3


class PromptInjection(Check):
    """Marks of instructions, disguised text and unseen characters, weighed by a small linear model."""

    slug = "injection"
    title = "Prompt injection"

    def scan(self, text: str, *, hint: str = "") -> list[Finding]:
        """Return one finding for each stretch of the text that reads as an instruction to a model."""
        found = []
        for at, stretch in model.windows(text):
            seen = model.look(stretch)
            score = model.score(seen)
            if score >= WORTH_SAYING:
                rule, place = model.strongest(seen)
                start, end = place or (0, len(stretch))
                found.append(
                    Finding(
                        check=self.slug, rule=rule, start=at + start, end=at + end, score=score, label=LABEL
                    )
                )
        return found
