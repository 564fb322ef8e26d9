"""Uploaded files, kept where every worker can read them."""
