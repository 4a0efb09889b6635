"""What keeps one failing or flooded part from taking the rest with it: circuit breakers and concurrency caps."""
