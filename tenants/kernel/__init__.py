"""What two or more apps stand on. No tables."""
