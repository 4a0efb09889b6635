"""Limits and features, as values. No Django."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

EVERYTHING = "*"
"""In a list of features: all there are, those that come later too."""
FEATURES = {
    "mcp_servers": "MCP servers whose tools agents can use",
    "http_tools": "HTTP endpoints as tools",
    "custom_roles": "roles of its own beside those that are built in",
    "standing_grants": "standing grants, under which like calls need no further approval",
    "notification_endpoints": "channels, webhooks and addresses that messages go to",
}
"""What a tier can leave out. A feature that is left out keeps what was made of it; nothing new is made."""


class Limit(StrEnum):
    """What a tier limits; each is the name of a column of Tier."""

    AGENTS = "agents"
    PEOPLE = "people"
    RUNS_PER_DAY = "runs_per_day"
    TOKENS_PER_MONTH = "tokens_per_month"
    CONCURRENT_RUNS = "concurrent_runs"
    REQUESTS_PER_MINUTE = "requests_per_minute"
    STORAGE_MB = "storage_mb"


WORDS = {
    Limit.AGENTS: "agents",
    Limit.PEOPLE: "active people",
    Limit.RUNS_PER_DAY: "runs a day",
    Limit.TOKENS_PER_MONTH: "tokens a month",
    Limit.CONCURRENT_RUNS: "runs at once",
    Limit.REQUESTS_PER_MINUTE: "API requests a minute",
    Limit.STORAGE_MB: "MB of storage",
}
PASSING = frozenset({Limit.RUNS_PER_DAY, Limit.TOKENS_PER_MONTH, Limit.REQUESTS_PER_MINUTE})
"""Limits under which the same request succeeds later: they answer 429, the others 403."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What holds for one tenant: its tier, changed by what was agreed with it. None is unlimited."""

    tier: str
    agents: int | None = None
    people: int | None = None
    runs_per_day: int | None = None
    tokens_per_month: int | None = None
    concurrent_runs: int | None = None
    requests_per_minute: int | None = None
    storage_mb: int | None = None
    features: frozenset[str] = frozenset({EVERYTHING})

    def of(self, limit: Limit) -> int | None:
        """Return one limit."""
        value: int | None = getattr(self, limit.value)
        return value

    def has(self, feature: str) -> bool:
        """Tell whether a feature is included."""
        return feature in self.features or EVERYTHING in self.features


def effective(tier: str, stated: Mapping[str, Any], overrides: Mapping[str, Any]) -> Limits:
    """Return what holds under a tier that states these values, with the tenant's own in their place."""
    values = {limit.value: overrides.get(limit.value, stated[limit.value]) for limit in Limit}
    return Limits(tier=tier, features=frozenset(overrides.get("features", stated["features"])), **values)


def problems_of(overrides: Any) -> list[dict[str, str]]:
    """Return what is wrong with a tenant's own limits, each with its place; empty if nothing is."""
    if not isinstance(overrides, dict):
        return [{"at": "/overrides", "message": "an object of limits"}]
    found = []
    for name, value in overrides.items():
        at = f"/overrides/{name}"
        if name == "features":
            known = isinstance(value, list) and all(item in {EVERYTHING, *FEATURES} for item in value)
            if not known:
                found.append({"at": at, "message": f"a list of: *, {', '.join(FEATURES)}"})
        elif name not in set(Limit):
            found.append({"at": at, "message": f"unknown; known are {', '.join(Limit)} and features"})
        elif value is not None and (
            not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 53
        ):
            found.append({"at": at, "message": "a whole number of 0 or more, or null for unlimited"})
    return found
