/** What the server sends and takes. Times are ISO 8601 in UTC. */
export {};
