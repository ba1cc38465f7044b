import { Tooltip } from "@mantine/core";
import { useSuspenseQuery } from "@tanstack/react-query";
import { type Setting, settingsQuery } from "@/api/admin";
import { PageHeader } from "@/ui/PageHeader";
import type { Column } from "@/ui/table/columns";
import { DataTable } from "@/ui/table/DataTable";
import classes from "./Admin.module.css";
import { SOURCES, strings } from "./strings";

export function ServerSettingsPage() {
  const { data } = useSuspenseQuery(settingsQuery);
  return (
    <>
      <PageHeader title={strings.settings} description={strings.settingsDescription} />
      <DataTable
        label={strings.settings}
        columns={COLUMNS}
        rows={data.settings}
        rowId={(setting) => setting.name}
      />
    </>
  );
}

const COLUMNS: Column<Setting>[] = [
  {
    id: "name",
    header: strings.setting,
    cell: (setting) => (
      <Tooltip label={setting.description} multiline maw={400}>
        <span className="numeric truncate">{setting.name}</span>
      </Tooltip>
    ),
  },
  {
    id: "value",
    header: strings.value,
    cell: ({ value }) =>
      value === null ? (
        <span className="dimmed">{strings.unset}</span>
      ) : (
        <span className={`numeric ${classes.value}`}>{value}</span>
      ),
  },
  {
    id: "source",
    header: strings.source,
    width: "140px",
    wideOnly: true,
    cell: ({ source }) => (
      <span className={source === "default" ? "dimmed" : undefined}>{SOURCES[source]}</span>
    ),
  },
];
