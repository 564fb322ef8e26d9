"""MCP servers as a source of tools. Only `client` and `transport` know the MCP package."""
