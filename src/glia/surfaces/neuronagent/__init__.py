"""NeuronAgent's API: the same agents, sessions and runs in the words of its clients."""
