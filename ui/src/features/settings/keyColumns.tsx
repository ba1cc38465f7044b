import type { ApiKey } from "@/api/keys";
import { RelativeTime } from "@/ui/format/Values";
import type { Column } from "@/ui/table/columns";
import { strings } from "./strings";

/** The columns of personal keys and of service keys. */
export const keyColumns: readonly Column<ApiKey>[] = [
  { id: "name", header: "Name", cell: (key) => <span className="truncate">{key.name}</span> },
  {
    id: "prefix",
    header: "Key",
    cell: (key) => <span className="numeric">{key.prefix}…</span>,
    wideOnly: true,
  },
  {
    id: "scopes",
    header: "Scopes",
    cell: (key) => <span className="truncate dimmed">{key.scopes.join(", ")}</span>,
    wideOnly: true,
  },
  {
    id: "used",
    header: "Last used",
    width: "120px",
    from: 440,
    cell: (key) => <RelativeTime time={key.last_used_at} />,
  },
  {
    id: "expires",
    header: "Expires",
    width: "120px",
    cell: (key) =>
      key.expires_at === null ? (
        <span className="dimmed">{strings.never}</span>
      ) : (
        <RelativeTime time={key.expires_at} />
      ),
    wideOnly: true,
  },
];
