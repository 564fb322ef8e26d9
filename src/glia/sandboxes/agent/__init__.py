"""The program that runs inside sandboxes. Nothing else of Glia is there, so it imports nothing of it."""
