"""Collaboration: spaces that people and agents share."""
