"""Where people work: the review page, the queue page, and both in the admin."""
