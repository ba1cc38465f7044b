import { ActionIcon, Button, Tooltip } from "@mantine/core";
import { Ban, RotateCcw, X } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { affected, type BulkAction, type BulkTarget, countOf } from "./bulkRequest";
import { strings } from "./strings";

const BulkDialog = lazy(() => import("./BulkDialog"));

const ACTIONS = [
  { action: "retry", icon: RotateCcw },
  { action: "cancel", icon: Ban },
] as const;

type Props = {
  target: BulkTarget;
  /** Choose all runs that match the filter. Undefined: the rows are all of them. */
  onSelectAll?: () => void;
  onClear: () => void;
};

/** What a person can do with the selected runs. */
export function BulkActions({ target, onSelectAll, onClear }: Props) {
  const [action, setAction] = useState<BulkAction | null>(null);
  return (
    <>
      <span role="status">{strings.selected(countOf(target))}</span>
      {ACTIONS.map(({ action, icon: Icon }) => {
        const count = countOf(affected(target, action));
        return count === 0 ? null : (
          <Button
            key={action}
            variant="default"
            leftSection={<Icon size={16} aria-hidden />}
            onClick={() => setAction(action)}
          >
            {strings.action(action, count)}
          </Button>
        );
      })}
      {onSelectAll && (
        <Button variant="subtle" onClick={onSelectAll}>
          {strings.selectAll}
        </Button>
      )}
      <Tooltip label={strings.clear}>
        <ActionIcon aria-label={strings.clear} onClick={onClear}>
          <X size={16} aria-hidden />
        </ActionIcon>
      </Tooltip>
      <Suspense>
        {action && (
          <BulkDialog
            action={action}
            target={affected(target, action)}
            onClose={() => setAction(null)}
          />
        )}
      </Suspense>
    </>
  );
}
