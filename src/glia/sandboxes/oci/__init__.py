"""Sandboxes made by a container engine that speaks the Docker Engine API."""
