import { Link } from "@tanstack/react-router";
import type { AdminWorkspace } from "@/api/adminWorkspaces";
import { formatNumber } from "@/ui/format/numbers";
import { Money, RelativeTime, Tokens } from "@/ui/format/Values";
import type { Column } from "@/ui/table/columns";
import classes from "../Admin.module.css";
import { strings } from "./strings";

export const COLUMNS: Column<AdminWorkspace>[] = [
  {
    id: "name",
    header: strings.name,
    cell: ({ id, name }) => (
      <Link
        to="/admin/workspaces/$workspaceId"
        params={{ workspaceId: id }}
        className={classes.link}
      >
        {name}
      </Link>
    ),
  },
  {
    id: "plan",
    header: strings.plan,
    width: "150px",
    cell: ({ plan, overrides }) => (
      <>
        {plan}
        {Object.keys(overrides).length > 0 && (
          <span className="dimmed">, {strings.changedLimits}</span>
        )}
      </>
    ),
  },
  {
    id: "members",
    header: strings.members,
    width: "120px",
    align: "end",
    cell: ({ members, deleted_at }) =>
      deleted_at !== null ? (
        <span className="dimmed">{strings.beingErased}</span>
      ) : members === 0 ? (
        <span className="dimmed">{strings.withoutMembers}</span>
      ) : (
        <span className="numeric">{formatNumber(members)}</span>
      ),
  },
  {
    id: "runs",
    header: strings.runs,
    width: "100px",
    align: "end",
    wideOnly: true,
    cell: ({ usage }) => <span className="numeric">{formatNumber(usage.runs)}</span>,
  },
  {
    id: "tokens",
    header: strings.tokens,
    width: "100px",
    align: "end",
    wideOnly: true,
    cell: ({ usage }) => <Tokens count={usage.tokens} />,
  },
  {
    id: "cost",
    header: strings.cost,
    width: "100px",
    align: "end",
    wideOnly: true,
    cell: ({ usage }) => <Money micros={usage.cost_usd_micros} complete={usage.cost_complete} />,
  },
  {
    id: "created",
    header: strings.created,
    width: "110px",
    wideOnly: true,
    cell: ({ created_at }) => <RelativeTime time={created_at} />,
  },
];
