"""Kill switches: rows that stop every new effect of an agent or a tenant at once."""
