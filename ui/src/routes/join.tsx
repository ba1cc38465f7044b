import { createFileRoute } from "@tanstack/react-router";
import { JoinPage } from "@/features/auth/JoinPage";

export const Route = createFileRoute("/join")({ component: JoinPage });
