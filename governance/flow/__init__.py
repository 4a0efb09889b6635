"""Where what an agent wants to do comes from: the user's words, records they named, or text of outsiders."""
