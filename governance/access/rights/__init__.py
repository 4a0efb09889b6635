"""Levels of rights on single objects: who holds which, why, and how they are given."""
