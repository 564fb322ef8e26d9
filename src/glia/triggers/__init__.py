"""Triggers: start runs by the clock, by what other runs do, by a figure, or by a signed request from outside."""
