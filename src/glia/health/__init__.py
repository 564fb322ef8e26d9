"""How the services of this server are, found out by trying them."""
