"""Auvy's API: neurons, jobs, traces, reflexes, receptors, pathways."""
