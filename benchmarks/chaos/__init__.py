"""Fault injection: kill the platform's processes while runs are under way, and count what went wrong."""
