"""What a check is."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, ClassVar

import re2

from governance.guardrails.types import Finding
from tenants.kernel.errors import InvalidInput
from tenants.kernel.jsonvalues import JsonObject

MAX_PATTERN = 1000
"""Characters of a pattern that a tenant writes."""
PATTERN_BYTES = 32 << 20
"""What the states of one pattern may take; RE2 is slower, not wrong, once they are used up."""


class Check(ABC):
    """Looks for one kind of thing; made once for each binding, with its configuration.

    Texts are hostile: a check is linear in their length, so patterns are RE2's, which does not backtrack.
    """

    slug: ClassVar[str]
    title: ClassVar[str]
    settings: ClassVar[dict[str, str]] = {}
    """What can be configured, and what each setting means."""

    def __init__(self, config: JsonObject) -> None:
        """Take the configuration; raise InvalidInput naming what to change."""
        unknown = sorted(set(config) - set(self.settings))
        if unknown:
            known = ", ".join(self.settings) or "none"
            raise config_error(unknown[0], f"is not a setting of {self.slug}; there are: {known}")
        self.config = config

    @abstractmethod
    def scan(self, text: str, *, hint: str = "") -> list[Finding]:
        """Return what stands in the text. `hint` is the name under which it stands in its JSON value."""

    def scan_value(self, value: Any) -> list[Finding]:
        """Return what is wrong with the JSON value as a whole."""
        return []


def config_error(name: str, message: str) -> InvalidInput:
    """Return the error that names a setting."""
    return InvalidInput(
        f"The setting '{name}' {message}.", errors=[{"at": f"/config/{name}", "message": message}]
    )


def strings(config: JsonObject, name: str) -> tuple[str, ...]:
    """Return a setting that is a list of texts; raise InvalidInput if it is not."""
    value = config.get(name, [])
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise config_error(name, "must be a list of texts")
    return tuple(value)


def integer(config: JsonObject, name: str, *, default: int, least: int, most: int) -> int:
    """Return a setting that is a whole number in a range; raise InvalidInput if it is not."""
    value = config.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise config_error(name, f"must be a whole number from {least} to {most}")
    return value


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> Any:
    """Return the pattern for RE2; raise re2.error where it is none."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = PATTERN_BYTES
    return re2.compile(pattern, options)


def written_by_tenant(patterns: Iterable[str], name: str) -> list[Any]:
    """Return the patterns for RE2; raise InvalidInput for one that is too long or is none."""
    found = []
    for pattern in patterns:
        if len(pattern) > MAX_PATTERN:
            raise config_error(name, f"has a pattern longer than {MAX_PATTERN} characters")
        try:
            found.append(compiled(pattern))
        except re2.error as error:
            raise config_error(
                name, f"has a pattern that is not RE2 syntax: {_words(error)}; it has no look-around"
            ) from error
    return found


def _words(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
