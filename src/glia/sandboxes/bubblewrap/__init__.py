"""Sandboxes made of Linux namespaces, by bubblewrap behind a launcher of our own."""
