"""The MCP surface: agents and tools of this server for programs that speak the Model Context Protocol."""
