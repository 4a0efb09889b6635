"""Who people and agents are, and what they may do."""
