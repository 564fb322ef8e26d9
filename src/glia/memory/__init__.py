"""Memory: facts that an agent keeps between its runs, and where they came from."""
