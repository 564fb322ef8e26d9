"""Bills: what a workspace used, what that costs, and its invoices."""
