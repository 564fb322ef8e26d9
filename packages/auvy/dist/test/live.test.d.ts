/** Against a running server: AUVY_URL is the surface's address, AUVY_KEY a key of a workspace of its own. */
export {};
