"""Sessions: the runs of one person with one agent that belong together."""
