"""Index of this app's tasks."""

from agents.runs.tasks import advance_run, sweep_runs

__all__ = ["advance_run", "sweep_runs"]
