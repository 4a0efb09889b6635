"""Demo agents, tools and people; installed under demo settings only."""
