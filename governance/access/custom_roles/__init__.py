"""Roles that a tenant makes for itself, and who is given which role."""
