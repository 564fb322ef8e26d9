"""Turns an uploaded file into text with pages and headings. Kept empty so that the child process starts fast."""
