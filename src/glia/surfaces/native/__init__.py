"""Glia's own API at /v1: what the console, the command line and the SDKs use."""
