import type { Delivery } from "@/api/deliveries";

/** How often a delivery was attempted. A list has only its last attempts. */
export function attemptCount({ attempts }: Pick<Delivery, "attempts">): number {
  return attempts.at(-1)?.number ?? 0;
}
