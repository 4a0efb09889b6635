"""Runs: an agent at work on a person's behalf."""
