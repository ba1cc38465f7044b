import { Link } from "@tanstack/react-router";
import type { Usage, UsageGroup } from "@/api/usage";
import { formatNumber } from "@/ui/format/numbers";
import { Money, Tokens } from "@/ui/format/Values";
import type { Column } from "@/ui/table/columns";
import { strings } from "./strings";

type Entry = Usage["series"][number];

/** The name of an entry. Pipelines and callers link to their runs. */
function Name({ entry, by }: { entry: Entry; by: UsageGroup }) {
  const name = entry.name || entry.key || strings.unknownCaller;
  if (by === "model") return <span className="mono truncate">{name}</span>;
  if (entry.key === "") return <span className="truncate dimmed">{name}</span>;
  const search = by === "pipeline" ? { pipeline: entry.key } : { caller: entry.key };
  return (
    <Link to="/runs" search={search} className="truncate">
      {name}
    </Link>
  );
}

export function seriesColumns(by: UsageGroup): Column<Entry>[] {
  return [
    { id: "name", header: strings.groups[by], cell: (entry) => <Name entry={entry} by={by} /> },
    {
      id: "runs",
      header: strings.runs,
      width: "90px",
      align: "end",
      wideOnly: true,
      cell: (entry) => <span className="numeric">{formatNumber(entry.runs)}</span>,
    },
    {
      id: "tokens",
      header: strings.tokens,
      width: "100px",
      align: "end",
      cell: (entry) => <Tokens count={entry.tokens} />,
    },
    {
      id: "cost",
      header: strings.cost,
      width: "130px",
      align: "end",
      cell: (entry) => <Money micros={entry.cost_usd_micros} complete={entry.cost_complete} />,
    },
  ];
}
