"""Tools: what agents can do, and the one place that does it."""
