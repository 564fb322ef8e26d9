"""NeuralHub's API: runs of agents, tools and workflows, memory, storage, models, chat, compute, discovery, keys."""
