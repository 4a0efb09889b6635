"""The tenant's web dashboard."""
