"""W1 on other ways to build a durable agent; each runs in the peers' environment, without Django."""
