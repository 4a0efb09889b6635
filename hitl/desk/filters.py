"""The words by which a list of reviews is narrowed down, as they stand in its address."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from governance.types import Risk
from hitl.desk.outcomes import Outcome
from hitl.reviews.models import Review
from tenants.kernel.errors import InvalidInput

DECIDED, ALL = "decided", "all"
ME, NOBODY = "me", "nobody"
OVERDUE, DUE_SOON = "overdue", "soon"
YES = "1"
DEFAULTS = {"status": str(Review.Status.PENDING)}
CHOICES: dict[str, tuple[str, ...]] = {
    "status": (*Review.Status.values, DECIDED, ALL),
    "kind": tuple(Review.Kind.values),
    "risk": tuple(Risk),
    "priority": tuple(Risk),
    "assigned": (ME, NOBODY),
    "due": (OVERDUE, DUE_SOON),
    "may": (YES,),
    "breached": (YES,),
    "outcome": tuple(Outcome),
    "days": ("7", "30", "90"),
    "fast": (YES,),
}
TEXTS = ("agent", "tool", "requester", "queue", "reviewer", "shape", "q")
MAX_TEXT = 120


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What a list is narrowed down to: words by the name that they have in the address."""

    chosen: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> "Filters":
        """Return the filters of an address, without those that are empty or what they are anyway.

        Raises InvalidInput, which names each word that no filter knows.
        """
        chosen, errors = {}, []
        for name in (*CHOICES, *TEXTS):
            value = str(given.get(name) or "").strip()
            if not value or value == DEFAULTS.get(name):
                continue
            if name in CHOICES and value not in CHOICES[name]:
                message = f"Use one of: {', '.join(CHOICES[name])}."
                errors.append({"at": f"/{name}", "message": message})
            elif len(value) > MAX_TEXT or "\x00" in value:
                message = f"Use at most {MAX_TEXT} printable characters."
                errors.append({"at": f"/{name}", "message": message})
            else:
                chosen[name] = value
        if errors:
            raise InvalidInput(
                "The list cannot be filtered like that: "
                + " ".join(f"{error['at'][1:]}: {error['message']}" for error in errors),
                errors=errors,
            )
        return cls(chosen=chosen)

    def get(self, name: str) -> str:
        """Return the word of one filter, empty where it is not used."""
        return self.chosen.get(name, DEFAULTS.get(name, ""))

    @property
    def is_pending(self) -> bool:
        """Tell whether the list is of what still waits."""
        return self.get("status") == Review.Status.PENDING

    def query(self, **changes: str) -> str:
        """Return the address's query with some filters changed; an empty word leaves one out."""
        words = {**self.chosen, **changes}
        known = {name: words[name] for name in (*CHOICES, *TEXTS, "after") if words.get(name)}
        return f"?{urlencode(known)}" if known else "?"
