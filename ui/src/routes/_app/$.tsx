import { createFileRoute } from "@tanstack/react-router";
import { NotFound } from "@/ui/feedback/NotFound";

/** All addresses without a page, so that the navigation remains beside the message. */
export const Route = createFileRoute("/_app/$")({ component: NotFound });
