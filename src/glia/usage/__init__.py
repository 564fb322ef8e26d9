"""Usage: what every model call took, for whom, and what it cost."""
