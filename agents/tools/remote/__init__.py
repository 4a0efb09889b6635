"""Tools that run elsewhere: HTTP endpoints and tools of MCP servers."""
