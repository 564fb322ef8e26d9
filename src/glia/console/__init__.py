"""The web console: what builds it, and what serves it at `/`."""
