import { ActionIcon, Button } from "@mantine/core";
import { X } from "lucide-react";
import type { AuditEntry } from "@/api/audit";
import { formatExact } from "@/ui/format/times";
import classes from "./Audit.module.css";
import { actionText, actorText, targetText } from "./columns";
import type { AuditSearch } from "./search";
import { strings } from "./strings";

type Props = {
  entry: AuditEntry;
  onClose: () => void;
  onFilter: (filter: AuditSearch) => void;
};

/** Everything about one entry: the facts, and the fields before and after. */
export default function EntryDetail({ entry, onClose, onFilter }: Props) {
  const { actor, target } = entry;
  return (
    <section className={classes.detail} aria-label={strings.details}>
      <div className={classes.head}>
        <h2 className={classes.heading}>{actionText(entry)}</h2>
        <ActionIcon aria-label={strings.close} onClick={onClose} size={24}>
          <X size={16} aria-hidden />
        </ActionIcon>
      </div>
      <dl className={classes.facts}>
        <dt>{strings.time}</dt>
        <dd>{formatExact(new Date(entry.at))}</dd>
        <dt>{strings.action}</dt>
        <dd className="numeric">{entry.action}</dd>
        <dt>{strings.actor}</dt>
        <dd>
          {actorText(entry)} <span className="dimmed">({strings.kinds[actor.kind]})</span>
        </dd>
        {actor.key && (
          <>
            <dt>{strings.key}</dt>
            <dd>{actor.key.name ?? actor.key.id}</dd>
          </>
        )}
        {entry.client && (
          <>
            <dt>{strings.client}</dt>
            <dd className="numeric">{entry.client}</dd>
          </>
        )}
        <dt>{strings.target}</dt>
        <dd>
          <bdi>{targetText(entry)}</bdi> <span className="dimmed">({target.type})</span>
        </dd>
        <dt>{strings.place}</dt>
        <dd className="numeric">{entry.sequence ?? strings.waiting}</dd>
        {entry.hash && (
          <>
            <dt>{strings.hash}</dt>
            <dd className={classes.hash}>{entry.hash}</dd>
          </>
        )}
      </dl>
      <Fields before={entry.before} after={entry.after} />
      <div className={classes.buttons}>
        {actor.id && (
          <Button variant="default" onClick={() => onFilter({ actor: actor.id ?? undefined })}>
            {strings.sameActor}
          </Button>
        )}
        {target.id && (
          <Button variant="default" onClick={() => onFilter({ target: target.id ?? undefined })}>
            {strings.sameTarget}
          </Button>
        )}
      </div>
    </section>
  );
}

type Facts = Pick<AuditEntry, "before" | "after">;

function Fields({ before, after }: Facts) {
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])];
  if (names.length === 0) return <p className={classes.note}>{strings.noFields}</p>;
  return (
    <table className={classes.fields} aria-label={strings.fields}>
      <thead>
        <tr>
          <th scope="col">{strings.field}</th>
          {before && <th scope="col">{strings.before}</th>}
          {after && <th scope="col">{strings.after}</th>}
        </tr>
      </thead>
      <tbody>
        {names.map((name) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            {before && <td className={classes.old}>{valueText(before[name])}</td>}
            {after && <td className={classes.new}>{valueText(after[name])}</td>}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function isEmpty(value: unknown): boolean {
  return value === "" || (Array.isArray(value) && value.length === 0);
}

function valueText(value: unknown): string {
  if (value === undefined || value === null || isEmpty(value)) return "–";
  if (Array.isArray(value)) return value.map(valueText).join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
