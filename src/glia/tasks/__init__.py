"""Tasks: an agent's turn, data to work through, or code to run, done in the background and tracked as jobs."""
