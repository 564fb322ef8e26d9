/** What the client does when servers and networks are not as they should be: against a small server of its own. */
export {};
