"""Standing grants: a reviewer's vote given ahead, within limits that end it."""
