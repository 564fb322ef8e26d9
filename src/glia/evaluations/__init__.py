"""Evaluations: sets of cases, an agent's version run against them, scores, and how two versions compare."""
