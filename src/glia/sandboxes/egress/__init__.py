"""The only way out of a sandbox: a proxy on a unix socket of its own, which judges every host and notes what it did."""
