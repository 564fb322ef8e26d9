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
  /** After `g`, the key that leads there. */
  letter: string;
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
    places: [{ to: "/", letter: "h", name: "Home", Icon: House, also: "overview queue workers spend" }],
  },
  {
    name: "Work",
    places: [
      { to: "/chat", letter: "c", name: "Chat", Icon: MessageSquare, also: "conversations sessions" },
      { to: "/runs", letter: "r", name: "Runs", Icon: ListTree, also: "traces timeline glassbox" },
      { to: "/approvals", letter: "p", name: "Approvals", Icon: ShieldQuestion, also: "inbox decide" },
    ],
  },
  {
    name: "Build",
    places: [
      { to: "/agents", letter: "a", name: "Agents", Icon: Bot, also: "prompts versions" },
      { to: "/knowledge", letter: "k", name: "Knowledge", Icon: BookOpen, also: "documents files search" },
      { to: "/memory", letter: "m", name: "Memory", Icon: Brain, also: "blocks facts archive" },
      { to: "/tools", letter: "t", name: "Tools", Icon: Wrench, also: "MCP servers connections secrets" },
      { to: "/automation", letter: "j", name: "Automation", Icon: Zap, also: "triggers schedules jobs workflows" },
    ],
  },
  {
    name: "Operate",
    places: [
      // Not /deployments: below that address the programs themselves answer.
      { to: "/fleet", letter: "d", name: "Deployments", Icon: Rocket, also: "replicas logs programs" },
      { to: "/sandboxes", letter: "b", name: "Sandboxes", Icon: Box, also: "terminal files egress" },
      { to: "/usage", letter: "u", name: "Usage", Icon: ChartColumn, also: "cost budgets ledger" },
      {
        to: "/settings",
        letter: "s",
        name: "Settings",
        Icon: Settings,
        also: "users keys roles webhooks providers audit health",
      },
    ],
  },
];

/** What a small screen shows below; the rest is under More. */
export const AT_HAND = ["/", "/chat", "/runs", "/approvals"];
