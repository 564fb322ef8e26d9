"""Sandboxes: isolated places for code that nobody vouches for."""
