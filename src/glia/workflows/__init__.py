"""Workflows: named graphs of steps, each execution of which is a run."""
