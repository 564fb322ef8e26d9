"""Programs of users that are kept running."""
