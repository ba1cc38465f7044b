import { Button } from "@mantine/core";
import { useSuspenseInfiniteQuery } from "@tanstack/react-query";
import { Mail } from "lucide-react";
import { type Recipient, recipientsQuery } from "@/api/recipients";
import { EmptyState } from "@/ui/feedback/EmptyState";
import { RelativeTime } from "@/ui/format/Values";
import { PageHeader } from "@/ui/PageHeader";
import { type Status, StatusBadge } from "@/ui/StatusBadge";
import type { Column } from "@/ui/table/columns";
import { DataTable } from "@/ui/table/DataTable";
import { strings } from "./strings";

const LOOKS: Record<Recipient["status"], Status> = {
  confirmed: "completed",
  asked: "waiting",
  not_asked: "failed",
  expired: "skipped",
  refused: "rejected",
};

const COLUMNS: readonly Column<Recipient>[] = [
  {
    id: "email",
    header: strings.recipient,
    cell: ({ email }) => <span className="truncate">{email}</span>,
  },
  {
    id: "status",
    header: strings.recipientStatus,
    width: "150px",
    cell: ({ status }) => (
      <StatusBadge status={LOOKS[status]} label={strings.recipientStatuses[status]} />
    ),
  },
  {
    id: "asked",
    header: strings.recipientAsked,
    width: "130px",
    wideOnly: true,
    cell: ({ asked_at }) => <RelativeTime time={asked_at} />,
  },
  {
    id: "until",
    header: strings.recipientUntil,
    width: "150px",
    wideOnly: true,
    cell: ({ expires_at }) => <RelativeTime time={expires_at} />,
  },
];

/** The addresses outside the workspace that get its emails, and how a pipeline sends emails. */
export function NotificationsPage() {
  const { data, hasNextPage, fetchNextPage, isFetchingNextPage } =
    useSuspenseInfiniteQuery(recipientsQuery);
  const recipients = data.pages.flatMap((page) => page.data);
  return (
    <>
      <PageHeader title={strings.notifications} description={strings.notificationsDescription} />
      {recipients.length === 0 ? (
        <EmptyState
          title={strings.noRecipients}
          icon={Mail}
          example={strings.notificationExample}
          exampleLabel={strings.notificationExampleLabel}
        >
          {strings.noRecipientsText}
        </EmptyState>
      ) : (
        <DataTable
          label={strings.recipients}
          columns={COLUMNS}
          rows={recipients}
          rowId={({ id }) => id}
          footer={
            hasNextPage && (
              <Button
                variant="subtle"
                loading={isFetchingNextPage}
                onClick={() => void fetchNextPage()}
              >
                {strings.moreRecipients}
              </Button>
            )
          }
        />
      )}
    </>
  );
}
