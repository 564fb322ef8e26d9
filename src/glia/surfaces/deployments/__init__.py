"""What deployed programs answer, under `/deployments/<name>/`."""
