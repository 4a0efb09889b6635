"""Service levels, and who is called when nobody decides."""
