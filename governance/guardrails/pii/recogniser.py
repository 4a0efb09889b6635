"""What a recogniser is: a pattern, what its label is called, and why to believe a match."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from governance.guardrails.base import compiled
from governance.guardrails.types import Finding

CHECK = "pii"
BEFORE = 60
"""Characters before a match in which words may say what it is."""
AFTER = 24
SEEN_IN_CONTEXT = 0.4
SURE = 0.95
CREDIBLE = 0.5
CONTEXT = r"(?i)(?:\b|_)(?:{})(?:\b|_)"
SEPARATORS = re.compile(r"[\s\-./–—]+")
Valid = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Recogniser:
    """A pattern for one label.

    `score` is what a match alone is worth. `valid` is given the match in capitals and without separators: what it
    refuses is dropped, what it accepts has the score `proven`. Words of `context` nearby add SEEN_IN_CONTEXT.
    With `bonus` in place of `valid`, a match that it refuses is kept at `score`; `exact` is given the match as it
    stands.
    """

    label: str
    pattern: str
    score: float
    valid: Valid | None = None
    bonus: Valid | None = None
    exact: Valid | None = None
    proven: float = 0.0
    context: str = ""
    digits: bool = True
    """Whether a text without a digit is not worth looking at."""

    def find(self, text: str, *, hint: str = "", weak: bool = False) -> Iterator[Finding]:
        """Yield what matches: in the first group, where the pattern has one.

        Unless `weak`, nothing is yielded that needs words of context where the text has none.
        """
        pattern = compiled(self.pattern)
        if not weak and max(self.score, self.proven) < CREDIBLE and not self._has_context(text, hint):
            return
        for match in pattern.finditer(text):
            start, end = match.span(1) if pattern.groups and match.group(1) is not None else match.span()
            if not _stands_alone(text, start, end):
                continue
            score = self._score(text[start:end])
            if score is None:
                continue
            if self.context and self._is_in_context(text, start, end, hint):
                score = min(1.0, score + SEEN_IN_CONTEXT)
            yield Finding(
                check=CHECK, rule=self.label.lower(), start=start, end=end, score=score, label=self.label
            )

    def _score(self, found: str) -> float | None:
        plain = SEPARATORS.sub("", found).upper()
        if self.valid is not None:
            return max(self.score, self.proven) if self.valid(plain) else None
        if self.exact is not None:
            return max(self.score, self.proven) if self.exact(found) else None
        if self.bonus is not None and self.bonus(plain):
            return max(self.score, self.proven)
        return self.score

    def _has_context(self, text: str, hint: str) -> bool:
        if not self.context:
            return False
        words = compiled(CONTEXT.format(self.context))
        return words.search(text) is not None or (
            bool(hint) and words.search(hint.replace("_", " ")) is not None
        )

    def _is_in_context(self, text: str, start: int, end: int, hint: str) -> bool:
        words = compiled(CONTEXT.format(self.context))
        near = f"{hint.replace('_', ' ')} {text[max(0, start - BEFORE) : start]}"
        return words.search(near) is not None or words.search(text[end : end + AFTER]) is not None


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Tell whether no letter or digit touches the match: half of a longer word is none of ours."""
    before, after = text[start - 1 : start], text[end : end + 1]
    return not (before.isalnum() and text[start].isalnum()) and not (
        after.isalnum() and text[end - 1].isalnum()
    )
