import { Button } from "@mantine/core";
import { useCan } from "@/api/access";
import { type Delivery, useRedeliver } from "@/api/deliveries";
import { toast } from "@/ui/feedback/toast";
import { strings } from "./strings";

/** Where a delivery goes: a URL with secrets masked, or an address. */
export function targetText({ target }: Pick<Delivery, "target">): string {
  return target.url ?? target.to ?? target.type;
}

/** Sends the delivery again. While it is pending, that is not possible. */
export function RedeliverButton({ delivery, isSmall }: { delivery: Delivery; isSmall?: true }) {
  const redeliver = useRedeliver();
  const canSend = useCan("pipelines:execute");
  const send = () =>
    redeliver.mutate(delivery.id, {
      onSuccess: () => toast.success(strings.redelivered),
      onError: (error) => toast.failure(strings.notRedelivered, error),
    });
  if (!canSend) return null;
  return (
    <Button
      variant="default"
      size={isSmall ? "compact-sm" : undefined}
      disabled={delivery.status === "pending"}
      loading={redeliver.isPending}
      onClick={send}
    >
      {strings.redeliver}
    </Button>
  );
}
