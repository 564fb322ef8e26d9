"""Who searches the web for agents."""
