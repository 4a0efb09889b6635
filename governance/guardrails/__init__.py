"""What texts must not carry: found by checks, and acted on as the tenant's bindings say."""
