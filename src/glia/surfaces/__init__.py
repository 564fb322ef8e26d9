"""The APIs Glia speaks. Each surface translates and authenticates; none decides."""
