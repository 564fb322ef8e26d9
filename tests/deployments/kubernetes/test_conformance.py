"""Kubernetes: what a user sees is what a user of sandboxes sees."""

from tests.deployments.conformance import *  # noqa: F403
