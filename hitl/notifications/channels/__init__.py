"""One file for each channel."""
