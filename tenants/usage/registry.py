"""What is counted. Apps above name SQL constants here in `ready()`; they are run in the tenant's schema."""

from tenants.kernel.registry import Registry

METERS: Registry[str] = Registry("meter", {}, group="countersign.meters")
"""`SELECT day, n` with a `date` of UTC and a number, between the parameters `since` and `until` (a moment of UTC
each, `until` not included)."""

IN_USE: Registry[str] = Registry("use of a limit", {}, group="countersign.in_use")
"""`SELECT n` with one number, by the name of a tenants.tiers.types.Limit; parameters `day` and `month`, when those
began, in UTC."""
