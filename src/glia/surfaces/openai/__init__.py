"""OpenAI's API, as its clients expect it: chat completions, embeddings, models."""
