"""Tell people, and programs, what waits and what was decided: an outbox, and the channels it goes through."""
