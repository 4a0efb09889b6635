"""What happens to tenants, for the apps above."""

from django.dispatch import Signal

schema_ready = Signal()
"""Sent inside the schema's context after its tables are migrated or cloned; argument `schema`."""
