"""What a workspace publishes for itself: agents and tools to find, rate and install."""
