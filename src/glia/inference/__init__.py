"""Inference: models of providers that make images, speech, video and text, as tools of agents."""
