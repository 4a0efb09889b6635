"""The rules of a tenant as the gate holds them: read once, and again when any of them changed."""
