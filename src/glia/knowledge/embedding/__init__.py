"""Turns text into vectors: a small model of our own on the CPU, or a configured endpoint."""
