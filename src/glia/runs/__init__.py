"""The run engine: the event log, leases, the loop between model and tools, and following it live."""
