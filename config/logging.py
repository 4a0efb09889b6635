"""Put the tenant of the current database context on every log line."""

import logging

from tenants.kernel.context import current_schema


class TenantFilter(logging.Filter):
    """Add `tenant` to each record; `-` where there is no tenant context."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.tenant = current_schema() or "-"
        return True
