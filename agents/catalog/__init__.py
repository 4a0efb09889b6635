"""Agents of a tenant."""
