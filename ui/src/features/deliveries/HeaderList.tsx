import classes from "./Deliveries.module.css";
import { strings } from "./strings";

type Props = { headers: Readonly<Record<string, string>>; note?: string };

export function HeaderList({ headers, note }: Props) {
  return (
    <section aria-label={strings.headers}>
      <h2 className={classes.heading}>{strings.headers}</h2>
      <dl className={classes.headers}>
        {Object.entries(headers).map(([name, value]) => (
          <div key={name} className={classes.header}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {note && <p className={classes.hash}>{note}</p>}
    </section>
  );
}
