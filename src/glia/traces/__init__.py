"""Traces of ended runs, read from the event log and sent to an OpenTelemetry collector. Loaded only when one is set."""
