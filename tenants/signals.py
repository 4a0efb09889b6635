"""What happens to tenants, for the apps above."""

from django.dispatch import Signal

schema_ready = Signal()
"""Sent inside the schema's context after its tables are migrated or cloned; argument `schema`."""

tenant_suspended = Signal()
"""Sent inside the tenant's context, in the transaction that suspends it; arguments `reason`, `by`, `now`."""

tenant_activated = Signal()
"""Sent inside the tenant's context, in the transaction that lets it work again; argument `now`."""

limits_changed = Signal()
"""Sent inside the tenant's context, in the changing transaction, when its limits may be others than before.

Its tier, what was agreed with it, or the tier itself was changed; and once whenever its schema was made or
migrated. Arguments `schema` and `limits`, a tenants.tiers.types.Limits.
"""
