"""A headless Chromium for agents: a process and a profile for each session, its only way out judged like any call."""
