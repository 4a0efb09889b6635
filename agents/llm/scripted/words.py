"""Find words and patterns in a request, and tell an instruction from its negation."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

_QUOTES = str.maketrans("\u2018\u2019\u201c\u201d\u2013\u2212", "''\"\"--")

# "can't you refund it?" asks for a refund; "you can't refund it" does not.
_NEGATION = (
    r"(?:not|never|no|without|cannot|neither|nor|avoid"
    r"|(?:do|does|did|wo|ca|could|would|should|must|need)n'?t(?!\s+you\b))"
)
_FILLER = (
    r"(?:a|an|the|any|this|that|it|her|his|their|my|me|us|you|i|we|to|for|be|been|being|get|give|have|make|send"
    r"|issue|offer|start|want|wish|need|yet|ever|just|also|even)"
)
_NEGATION_REACH = 100
_NEGATED = re.compile(rf"\b{_NEGATION}(?:\s+{_FILLER})*\s*$", re.IGNORECASE)


def normalise(text: str) -> str:
    """Return `text` with compatibility characters, typographic quotes and dashes made plain."""
    return unicodedata.normalize("NFKC", text).translate(_QUOTES)


@dataclass(frozen=True)
class Condition:
    """Match a request that contains a pattern which is not negated ("do not refund")."""

    pattern: re.Pattern[str]

    def find(self, text: str) -> re.Match[str] | None:
        """Return the first match that no negation stands right before, else None."""
        for match in self.pattern.finditer(text):
            start = _start(match)
            if not _NEGATED.search(text[max(0, start - _NEGATION_REACH) : start]):
                return match
        return None


def by_pattern(pattern: str) -> Condition:
    """Compile a regular expression (case-insensitive, `.` spans lines). Raises `re.error`."""
    return Condition(re.compile(pattern, re.IGNORECASE | re.DOTALL))


def by_words(phrases: Sequence[str]) -> Condition:
    """Compile a list of phrases, any of which may occur as whole words.

    A word may end in `*` (any ending); `...` between words stands for up to eight others; a phrase in
    slashes is a pattern.
    """
    return by_pattern("|".join(_phrase(phrase) for phrase in phrases))


def _phrase(phrase: str) -> str:
    if len(phrase) > 1 and phrase[0] == phrase[-1] == "/":
        return f"(?:{phrase[1:-1]})"
    pattern = ""
    for word in phrase.split():
        if word == "...":
            pattern += r"(?:\s+\S+){0,8}?"
            continue
        stem = re.escape(word.removesuffix("*")) + (r"\w*" if word.endswith("*") else "")
        pattern += (r"\s+" if pattern else "") + stem
    return rf"(?<!\w){pattern}(?!\w)"


def value_of(match: re.Match[str]) -> str:
    """Return the text of the group named `value` where the pattern has one, else the whole match."""
    return (match["value"] if "value" in match.re.groupindex else match[0]) or ""


def _start(match: re.Match[str]) -> int:
    start = match.start("value") if "value" in match.re.groupindex else match.start()
    return start if start >= 0 else match.start()
