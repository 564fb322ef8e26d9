"""Tells other systems what happens: events of the log, signed and delivered at least once."""
