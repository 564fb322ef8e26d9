import {
  BookOpen,
  Bot,
  Box,
  Brain,
  ChartColumn,
  House,
  ListTree,
  type LucideIcon,
  MessageSquare,
  Rocket,
  Settings,
  ShieldQuestion,
  Wrench,
  Zap,
} from "lucide-react";

export interface Place {
  to: string;
  name: string;
  Icon: LucideIcon;
  /** What one may also look for when one wants this screen. */
  also?: string;
}

export interface PlaceGroup {
  name: string;
  places: Place[];
}

/** Every screen, in groups. A place is shown once there is a route at its address. */
export const GROUPS: PlaceGroup[] = [
  {
    name: "",
    places: [{ to: "/", name: "Home", Icon: House, also: "overview queue workers spend" }],
  },
  {
    name: "Work",
    places: [
      { to: "/chat", name: "Chat", Icon: MessageSquare, also: "conversations sessions" },
      { to: "/runs", name: "Runs", Icon: ListTree, also: "traces timeline glassbox" },
      { to: "/approvals", name: "Approvals", Icon: ShieldQuestion, also: "inbox decide" },
    ],
  },
  {
    name: "Build",
    places: [
      { to: "/agents", name: "Agents", Icon: Bot, also: "prompts versions" },
      { to: "/knowledge", name: "Knowledge", Icon: BookOpen, also: "documents files search" },
      { to: "/memory", name: "Memory", Icon: Brain, also: "blocks facts archive" },
      { to: "/tools", name: "Tools", Icon: Wrench, also: "MCP servers connections secrets" },
      { to: "/automation", name: "Automation", Icon: Zap, also: "triggers schedules jobs workflows" },
    ],
  },
  {
    name: "Operate",
    places: [
      // Not /deployments: below that address the programs themselves answer.
      { to: "/fleet", name: "Deployments", Icon: Rocket, also: "replicas logs programs" },
      { to: "/sandboxes", name: "Sandboxes", Icon: Box, also: "terminal files egress" },
      { to: "/usage", name: "Usage", Icon: ChartColumn, also: "cost budgets ledger" },
      { to: "/settings", name: "Settings", Icon: Settings, also: "users keys roles webhooks providers audit health" },
    ],
  },
];

/** What a small screen shows below; the rest is under More. */
export const AT_HAND = ["/", "/chat", "/runs", "/approvals"];
