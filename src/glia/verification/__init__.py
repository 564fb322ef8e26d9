"""Checks an agent's answers against rules: by measurable criteria, and by a model where words have to be judged."""
