import { Anchor } from "@mantine/core";
import { Link, type LinkProps } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { shortId } from "@/ui/format/ids";

/** A link to a run, with the beginning of its id. */
export function RunLink({ runId }: { runId: string }) {
  return (
    <Anchor
      className="mono"
      renderRoot={(props) => <Link to="/runs/$runId" params={{ runId }} {...props} />}
    >
      {shortId(runId)}
    </Anchor>
  );
}

type PipelineProps = { pipelineId: string; children: ReactNode };

export function PipelineLink({ pipelineId, children }: PipelineProps) {
  const to = `/pipelines/${pipelineId}/edit` as LinkProps["to"];
  return <Anchor renderRoot={(props) => <Link to={to} {...props} />}>{children}</Anchor>;
}
