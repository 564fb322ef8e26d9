"""NeuAIs' API, as its clients expect it: agents are deployments here, programs that are kept running."""
