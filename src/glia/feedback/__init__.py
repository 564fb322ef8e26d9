"""Feedback: what people say of agents' answers."""
