"""Agents, knowledge and tools as one catalogue of what a program from outside may call: at `/mcp` and in manifests."""
