"""Measurements of a running stack; `make bench` prints them beside their goals."""
