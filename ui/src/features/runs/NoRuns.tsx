import { Button } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useCan } from "@/api/access";
import { EmptyState } from "@/ui/feedback/EmptyState";
import { firstRunCurl } from "./firstRunCurl";
import { hasFilter, type RunsSearch } from "./search";
import { strings } from "./strings";

type Props = {
  search: RunsSearch;
  onClear: () => void;
  /** A button that searches older runs, if there are some. */
  older: ReactNode;
};

/** An empty list: no run matches the filter, or the workspace has no runs. */
export default function NoRuns({ search, onClear, older }: Props) {
  const canWrite = useCan("pipelines:write");
  if (!hasFilter(search) && !older) {
    return (
      <EmptyState
        title={strings.empty}
        example={firstRunCurl(window.location.origin)}
        actions={
          canWrite && (
            <Button renderRoot={(props) => <Link to="/welcome" {...props} />}>
              {strings.runExample}
            </Button>
          )
        }
      >
        {strings.emptyText}
      </EmptyState>
    );
  }
  return (
    <EmptyState
      title={older ? strings.noMatchYet : strings.noMatch}
      actions={
        <>
          {older}
          <Button variant="default" onClick={onClear}>
            {strings.clear}
          </Button>
        </>
      }
    >
      {older ? strings.noMatchYetText : strings.noMatchText}
    </EmptyState>
  );
}
