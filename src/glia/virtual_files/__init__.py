"""Private trees of files that agents keep: nothing of them is a path on the machine."""
