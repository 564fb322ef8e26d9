"""Neura's API, as its clients expect it: agents, chat, conversations, jobs, knowledge bases, models, and GraphQL."""
