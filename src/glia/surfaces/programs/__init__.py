"""Programs of deployments for the pods that run them, under `/programs/<version>`."""
