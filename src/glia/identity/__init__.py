"""Who asks: workspaces, projects, users, keys, tokens, scopes."""
