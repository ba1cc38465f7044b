import { createFileRoute } from "@tanstack/react-router";
import { ConfirmRecipient } from "@/features/links/ConfirmRecipient";

export const Route = createFileRoute("/confirm-recipient")({ component: ConfirmRecipient });
