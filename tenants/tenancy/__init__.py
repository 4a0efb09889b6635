"""Tenants, their hosts and their schemas."""
