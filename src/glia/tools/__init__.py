"""Tools that agents call: typed functions of ours and HTTP endpoints of the user's."""
