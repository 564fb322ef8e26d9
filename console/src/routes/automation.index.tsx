import { createFileRoute, Navigate } from "@tanstack/react-router";

export const Route = createFileRoute("/automation/")({
  component: () => <Navigate to="/automation/triggers" replace />,
});
