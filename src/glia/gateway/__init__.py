"""The gateway: chat completions and embeddings for any model, passed on or translated, each call metered once."""
