"""Sessions: conversations, each with one event log."""
