import { Button } from "@mantine/core";
import type { MissingSecret, PipelineSecret, Secret } from "@/api/secrets";
import { RelativeTime } from "@/ui/format/Values";
import type { Column } from "@/ui/table/columns";
import classes from "./Settings.module.css";
import { strings } from "./strings";

type Use = Pick<Secret, "used_by" | "used_by_count">;
type Actions<S> = { onReplace: (name: string) => void; onDelete: (secret: S) => void };
type Changes<S> = Actions<S> & { canWrite: boolean };

/** Names of the pipelines that use a secret: as many as fit, and the number of the others. */
function UsedBy({ used_by: pipelines, used_by_count: count }: Use) {
  if (count === 0) return <span className="dimmed">{strings.notUsed}</span>;
  const shown = pipelines.slice(0, 3);
  const more = count - shown.length;
  return (
    <span className={classes.used}>
      <span className="truncate">{shown.map(({ name }) => name).join(", ")}</span>
      {more > 0 && <span className="dimmed">+{more}</span>}
    </span>
  );
}

/** The columns of the workspace's secrets. */
export function secretColumns(actions: Changes<Secret>): Column<Secret>[] {
  const [name, ...others] = ownSecretColumns(actions);
  const used: Column<Secret> = {
    id: "used",
    header: "Used by",
    wideOnly: true,
    cell: (secret) => <UsedBy {...secret} />,
  };
  return name === undefined ? [] : [name, used, ...others];
}

/** The columns of secrets whose uses are not listed. */
export function ownSecretColumns<S extends PipelineSecret>(actions: Changes<S>): Column<S>[] {
  const columns = secretFacts<S>();
  return actions.canWrite ? [...columns, secretActions(actions)] : columns;
}

function secretFacts<S extends PipelineSecret>(): Column<S>[] {
  return [
    { id: "name", header: "Name", cell: (secret) => <span className="mono">{secret.name}</span> },
    {
      id: "hosts",
      header: "Hosts",
      wideOnly: true,
      cell: (secret) =>
        secret.hosts === null ? (
          <span className="dimmed">{strings.anyHost}</span>
        ) : (
          <span className="truncate">{secret.hosts.join(", ")}</span>
        ),
    },
    {
      id: "last",
      header: "Last used",
      width: "120px",
      wideOnly: true,
      cell: (secret) => <RelativeTime time={secret.last_used_at} />,
    },
    {
      id: "updated",
      header: "Set",
      width: "120px",
      wideOnly: true,
      cell: (secret) => <RelativeTime time={secret.updated_at} />,
    },
  ];
}

function secretActions<S extends PipelineSecret>({ onReplace, onDelete }: Actions<S>): Column<S> {
  return {
    id: "actions",
    header: <span className="visually-hidden">Actions</span>,
    width: "170px",
    cell: (secret) => (
      <div className={classes.actions}>
        <Button
          size="compact-sm"
          variant="subtle"
          aria-label={`Replace ${secret.name}`}
          onClick={() => onReplace(secret.name)}
        >
          Replace
        </Button>
        <Button
          size="compact-sm"
          variant="subtle"
          color="red"
          aria-label={`${strings.deleteSecret} ${secret.name}`}
          onClick={() => onDelete(secret)}
        >
          {strings.deleteSecret}
        </Button>
      </div>
    ),
  };
}

/** `onSet` is null for people who cannot set secrets. */
export function missingColumns(onSet: ((name: string) => void) | null): Column<MissingSecret>[] {
  const facts: Column<MissingSecret>[] = [
    { id: "name", header: "Name", cell: (each) => <span className="mono">{each.name}</span> },
    { id: "used", header: "Used by", cell: (each) => <UsedBy {...each} /> },
  ];
  if (onSet === null) return facts;
  return [
    ...facts,
    {
      id: "actions",
      header: <span className="visually-hidden">Actions</span>,
      width: "100px",
      cell: (each) => (
        <div className={classes.actions}>
          <Button
            size="compact-sm"
            variant="subtle"
            aria-label={`Set ${each.name}`}
            onClick={() => onSet(each.name)}
          >
            Set
          </Button>
        </div>
      ),
    },
  ];
}
