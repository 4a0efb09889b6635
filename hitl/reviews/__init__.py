"""Reviews: risky actions that wait for people."""
