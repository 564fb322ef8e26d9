"""Finding things of every kind by words or by an id."""
