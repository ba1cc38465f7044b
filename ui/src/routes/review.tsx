import { createFileRoute } from "@tanstack/react-router";
import { LinkedReview } from "@/features/reviews/LinkedReview";

export const Route = createFileRoute("/review")({ component: LinkedReview });
