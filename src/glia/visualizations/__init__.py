"""Charts and reports that agents make for people."""
