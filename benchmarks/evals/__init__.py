"""Precision and recall on third-party cases, which stay outside the project."""
