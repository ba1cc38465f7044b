import { createFileRoute } from "@tanstack/react-router";
import { LinkedRunPage } from "@/features/links/LinkedRun";

export const Route = createFileRoute("/run-status")({ component: LinkedRunPage });
