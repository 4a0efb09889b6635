"""The platform over its tenants: make, change, suspend and activate them, on record in both logs."""
