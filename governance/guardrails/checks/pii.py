"""Personal data."""

from governance.guardrails.base import Check, config_error, strings
from governance.guardrails.checks.secrets import surest
from governance.guardrails.pii import europe, general, names, presidio, world
from governance.guardrails.pii.recogniser import Recogniser
from governance.guardrails.types import Finding
from tenants.kernel.jsonvalues import JsonObject

RECOGNISERS: tuple[Recogniser, ...] = (*general.RECOGNISERS, *europe.RECOGNISERS, *world.RECOGNISERS)
NAMES = frozenset({"PERSON", "GPE", "ORGANIZATION", "STREET_ADDRESS", "ZIP_CODE", "TITLE", "NRP"})
LABELS = frozenset(recogniser.label for recogniser in RECOGNISERS) | NAMES
EVERYDAY = NAMES | {
    "DATE_TIME",
    "URL",
    "DOMAIN_NAME",
    "AGE",
    "IP_ADDRESS",
    "MAC_ADDRESS",
    "UK_POSTCODE",
    "DE_PLZ",
}
"""What nearly every text has; looked for only where a binding names it."""
DEFAULT = LABELS - EVERYDAY


class PersonalData(Check):
    """Numbers that identify people, by their check digits and the words around them; names and places by rules."""

    slug = "pii"
    title = "Personal data"
    settings = {
        "labels": "Which labels to look for; without it all but names, places, dates and addresses of hosts.",
        "weak": "true: report also what no check digit and no word beside it bears out, with a low score.",
    }

    def __init__(self, config: JsonObject) -> None:
        super().__init__(config)
        wanted = frozenset(strings(config, "labels")) or DEFAULT
        if unknown := sorted(wanted - LABELS):
            raise config_error("labels", f"names {unknown[0]}; there are: {', '.join(sorted(LABELS))}")
        self.labels = wanted
        self._weak = bool(config.get("weak", False))
        self._own = tuple(item for item in RECOGNISERS if item.label in wanted)
        self._names = wanted & NAMES

    def scan(self, text: str, *, hint: str = "") -> list[Finding]:
        """Return the personal data in the text; of overlapping findings the surest."""
        has_digit = any(map(str.isdigit, text))
        found = [
            finding
            for recogniser in self._own
            if has_digit or not recogniser.digits
            for finding in recogniser.find(text, hint=hint, weak=self._weak)
        ]
        if self._names:
            found += names.find(text, self._names)
        found += presidio.find(text, self.labels)
        return surest(found)
