import { Button } from "@mantine/core";
import { useSuspenseInfiniteQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { Send } from "lucide-react";
import { useCan } from "@/api/access";
import { pipelineDeliveriesQuery, useSendTest } from "@/api/deliveries";
import { EmptyState } from "@/ui/feedback/EmptyState";
import { toast } from "@/ui/feedback/toast";
import { DataTable } from "@/ui/table/DataTable";
import { FilterChips } from "@/ui/table/FilterChips";
import type { FilterDefinition } from "@/ui/table/filters";
import { COLUMNS } from "./columns";
import classes from "./Deliveries.module.css";
import { type DeliveriesSearch, readDeliveriesSearch, STATUSES } from "./search";
import { strings } from "./strings";

const FILTERS: readonly FilterDefinition[] = [
  {
    id: "status",
    label: strings.columns.status,
    kind: "choice",
    isSingle: true,
    options: STATUSES.map((value) => ({ value, label: strings.statuses[value] })),
  },
];

type Props = { id: string; search: DeliveriesSearch };

/** The deliveries of a pipeline's runs, and its test events. */
export function PipelineDeliveries({ id, search }: Props) {
  const pages = useSuspenseInfiniteQuery(pipelineDeliveriesQuery(id, search.status));
  const navigate = useNavigate();
  const rows = pages.data.pages.flatMap((page) => page.data);
  const change = (changes: object) =>
    void navigate({
      to: "/pipelines/$id/deliveries",
      params: { id },
      search: readDeliveriesSearch({ ...search, ...changes }),
    });
  return (
    <>
      <div className={classes.toolbar}>
        <FilterChips filters={FILTERS} values={search} onChange={change} />
        <SendTest pipelineId={id} />
      </div>
      {rows.length > 0 ? (
        <DataTable
          label={strings.deliveries}
          columns={COLUMNS}
          rows={rows}
          rowId={(row) => row.id}
          onOpen={(row) =>
            void navigate({ to: "/deliveries/$deliveryId", params: { deliveryId: row.id } })
          }
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
      ) : (
        <NoDeliveries id={id} search={search} onClear={() => change({ status: undefined })} />
      )}
    </>
  );
}

function SendTest({ pipelineId }: { pipelineId: string }) {
  const test = useSendTest(pipelineId);
  const canSend = useCan("pipelines:execute");
  const send = () =>
    test.mutate(undefined, {
      onSuccess: ({ data }) => toast.success(strings.sent(data.length)),
      onError: (error) => toast.failure(strings.notSent, error),
    });
  if (!canSend) return null;
  return (
    <Button
      variant="default"
      leftSection={<Send size={16} aria-hidden />}
      loading={test.isPending}
      onClick={send}
    >
      {strings.sendTest}
    </Button>
  );
}

function NoDeliveries({ id, search, onClear }: Props & { onClear: () => void }) {
  if (search.status !== undefined) {
    return (
      <EmptyState
        title={strings.noneFound}
        actions={
          <Button variant="default" onClick={onClear}>
            {strings.clear}
          </Button>
        }
      >
        {strings.noneFoundText}
      </EmptyState>
    );
  }
  const curl = `curl -X POST ${window.location.origin}/api/pipelines/${id}/deliveries/test \\
  -H "X-API-Key: $STEPIQ_API_KEY"`;
  return (
    <EmptyState
      title={strings.none}
      icon={Send}
      example={curl}
      actions={
        <Button
          variant="default"
          renderRoot={(props) => <Link to="/pipelines/$id/edit" params={{ id }} {...props} />}
        >
          {strings.edit}
        </Button>
      }
    >
      {strings.noneText}
    </EmptyState>
  );
}
