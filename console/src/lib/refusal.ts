// The server speaks of keys and scopes to whoever asks. A person who signed in has a role, and somebody to ask.
const VERBS: Record<string, string> = { read: "see", write: "change", call: "call" };
const NOUNS: Record<string, string> = {
  billing: "bills",
  credits: "credit",
  health: "the state of the server",
  identity: "people, their rights and the audit log",
  memory: "what agents remember",
  storage: "stored objects",
  usage: "what was used",
  workspaces: "the workspace",
};
const LACKING = /lacks the scope `([\w*-]+):([\w*-]+)`/;

/** The server's words for something that is not allowed, said to somebody of a role. */
export function refusalFor(role: string | undefined, message: string): string {
  const [, noun, verb] = LACKING.exec(message) ?? [];
  if (!noun || !verb) return message;
  const what = NOUNS[noun] ?? noun.replaceAll(/[_-]/g, " ");
  return `Your role${role ? ` (${role})` : ""} may not ${VERBS[verb] ?? verb} ${what}; ask an owner of the workspace.`;
}
