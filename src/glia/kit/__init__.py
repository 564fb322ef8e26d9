"""Tools without business words: errors, ids, pages, settings, database, clock, telemetry, outbound HTTP."""
