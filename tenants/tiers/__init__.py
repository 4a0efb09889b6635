"""Tiers: how much of everything a tenant may have, and which features."""
