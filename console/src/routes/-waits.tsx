import { Link } from "@tanstack/react-router";

/** What a run waits for; where that is a person, it leads to the question. */
export function Waits({ what }: { what: readonly string[] }) {
  const text = what.join(", ") || "nothing";
  if (!what.includes("approval")) return text;
  return (
    <Link to="/approvals" className="text-accent underline underline-offset-2">
      {text}
    </Link>
  );
}
