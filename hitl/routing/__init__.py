"""Who works on which review: queues, assignment, claims, on-call schedules and substitution."""
