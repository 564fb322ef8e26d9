import { Select } from "@/components/ui/field";
import type { Permission } from "./draft";

const ANSWERS: [Permission, string][] = [
  ["always", "call without asking"],
  ["ask", "ask a person first"],
  ["never", "never call"],
];

interface AnswerProps {
  id?: string;
  "aria-label"?: string;
  className?: string;
  value: Permission | "";
  onAnswer: (answer: Permission) => void;
  withDefault?: boolean;
}

/** Whether a call may be made. */
export function Answer({ onAnswer, withDefault, ...rest }: AnswerProps) {
  return (
    <Select {...rest} onChange={(event) => onAnswer(event.target.value as Permission)}>
      {withDefault && <option value="">as above</option>}
      {ANSWERS.map(([value, text]) => (
        <option key={value} value={value}>
          {text}
        </option>
      ))}
    </Select>
  );
}
