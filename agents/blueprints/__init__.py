"""Agent behaviours. Plain Python: a blueprint sees a RunContext and nothing else."""
