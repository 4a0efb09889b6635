"""Through whom a person acts in the request that is under way: every event that it writes says so."""

from contextvars import ContextVar

from tenants.kernel.jsonvalues import JsonObject

via: ContextVar[JsonObject | None] = ContextVar("via", default=None)
