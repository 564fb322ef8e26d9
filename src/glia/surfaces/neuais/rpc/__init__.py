"""The NeuAIs API over gRPC."""
