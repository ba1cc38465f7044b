import { Anchor, Button, NativeSelect } from "@mantine/core";
import { useSuspenseInfiniteQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { lazy, Suspense, useState } from "react";
import { useUser } from "@/api/session";
import { type ListedVersion, versionsQuery } from "@/api/versions";
import { useCanEdit } from "@/features/editor/useCanEdit";
import { TextSkeleton } from "@/ui/feedback/Skeletons";
import { RelativeTime } from "@/ui/format/Values";
import type { Column } from "@/ui/table/columns";
import { DataTable } from "@/ui/table/DataTable";
import { FieldChanges } from "./FieldChanges";
import { RestoreVersion } from "./RestoreVersion";
import { comparedVersions, type VersionsSearch } from "./search";
import { strings } from "./strings";
import classes from "./Versions.module.css";

const TextDiff = lazy(() => import("./TextDiff"));

type Props = { id: string; search: VersionsSearch };

export function VersionsPage({ id, search }: Props) {
  const pages = useSuspenseInfiniteQuery(versionsQuery(id));
  const user = useUser();
  const navigate = useNavigate();
  const canRestore = useCanEdit(id);
  const [restored, setRestored] = useState<number | null>(null);
  const rows = pages.data.pages.flatMap((page) => page.data);
  const numbers = rows.map(({ version }) => version);
  const newest = numbers[0] ?? 0;
  const compared = comparedVersions(search, numbers);
  const show = (next: VersionsSearch) =>
    void navigate({ to: "/pipelines/$id/versions", params: { id }, search: next });
  return (
    <>
      <DataTable
        label={strings.versions}
        columns={columns({ newest, userId: user.id, onRestore: canRestore ? setRestored : null })}
        rows={rows}
        rowId={({ version }) => String(version)}
        selectedId={compared === null ? null : String(compared.after)}
        onOpen={({ version }) => show({ after: version })}
        hasKeys
        footer={
          pages.hasNextPage && (
            <Button
              variant="subtle"
              loading={pages.isFetchingNextPage}
              onClick={() => void pages.fetchNextPage()}
            >
              {strings.more}
            </Button>
          )
        }
      />
      {compared === null ? (
        <p className="dimmed">{strings.onlyOne}</p>
      ) : (
        <section aria-label={strings.compare}>
          <div className={classes.bar}>
            <VersionSelect
              label={strings.from}
              value={compared.before}
              versions={numbers}
              onChange={(before) => show({ ...compared, before })}
            />
            <VersionSelect
              label={strings.to}
              value={compared.after}
              versions={numbers}
              onChange={(after) => show({ ...compared, after })}
            />
          </div>
          <h2 className={classes.heading}>{strings.changes}</h2>
          <FieldChanges id={id} {...compared} />
          <h2 className={classes.heading}>{strings.text}</h2>
          <Suspense fallback={<TextSkeleton lines={8} />}>
            <TextDiff id={id} {...compared} />
          </Suspense>
        </section>
      )}
      {restored !== null && (
        <RestoreVersion
          id={id}
          version={restored}
          current={newest}
          onClose={() => setRestored(null)}
        />
      )}
    </>
  );
}

type SelectProps = {
  label: string;
  value: number;
  versions: readonly number[];
  onChange: (version: number) => void;
};

function VersionSelect({ label, value, versions, onChange }: SelectProps) {
  const options = versions.includes(value) ? versions : [...versions, value];
  return (
    <NativeSelect
      label={label}
      data={options.map((version) => ({ value: String(version), label: `v${version}` }))}
      value={String(value)}
      onChange={(event) => onChange(Number(event.currentTarget.value))}
    />
  );
}

type Context = { newest: number; userId: string; onRestore: ((version: number) => void) | null };

function columns({ newest, userId, onRestore }: Context): Column<ListedVersion>[] {
  return [
    {
      id: "version",
      header: strings.version,
      cell: ({ pipeline_id, version }) => (
        <span className={classes.version}>
          <Link
            to="/pipelines/$id/versions"
            params={{ id: pipeline_id }}
            search={{ after: version }}
            className={`${classes.link} numeric`}
          >{`v${version}`}</Link>
          {version === newest && <span className="dimmed">{strings.newest}</span>}
        </span>
      ),
    },
    {
      id: "author",
      header: strings.author,
      cell: ({ author }) => (author.id === userId ? strings.you : author.name || author.email),
    },
    {
      id: "saved",
      header: strings.saved,
      cell: ({ created_at }) => <RelativeTime time={created_at} />,
    },
    {
      id: "runs",
      header: strings.runs,
      align: "end",
      cell: ({ pipeline_id, version, runs, runs_complete }) => (
        <Anchor
          className="numeric"
          renderRoot={(props) => (
            <Link to="/runs" search={{ pipeline: pipeline_id, version }} {...props} />
          )}
          aria-label={`${runs}${runs_complete ? "" : "+"} runs of version ${version}`}
        >
          {`${runs}${runs_complete ? "" : "+"}`}
        </Anchor>
      ),
    },
    {
      id: "actions",
      header: <span className="visually-hidden">{strings.actions}</span>,
      width: "110px",
      cell: ({ version }) =>
        version === newest || onRestore === null ? null : (
          <div className={classes.actions}>
            <Button
              size="compact-sm"
              variant="subtle"
              aria-label={`${strings.restore} version ${version}`}
              onClick={() => onRestore(version)}
            >
              {strings.restore}
            </Button>
          </div>
        ),
    },
  ];
}
