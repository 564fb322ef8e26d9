import { Select } from "@/components/ui/field";
import type { Permission } from "./api";

const ANSWERS: [Permission, string][] = [
  ["always", "call without asking"],
  ["ask", "ask a person first"],
  ["never", "never call"],
];

interface Props {
  id?: string;
  "aria-label"?: string;
  className?: string;
  disabled?: boolean;
  value: Permission | "";
  /** What no choice of its own means; without it there is none. */
  standard?: string;
  onPermission: (permission: Permission | "") => void;
}

/** Whether a tool may be called. */
export function PermissionSelect({ standard, onPermission, ...rest }: Props) {
  return (
    <Select {...rest} onChange={(event) => onPermission(event.target.value as Permission | "")}>
      {standard !== undefined && <option value="">{standard}</option>}
      {ANSWERS.map(([value, text]) => (
        <option key={value} value={value}>
          {text}
        </option>
      ))}
    </Select>
  );
}

export const inWords = (permission: Permission) => ANSWERS.find(([value]) => value === permission)?.[1] ?? permission;
