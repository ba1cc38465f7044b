import { Badge } from "@mantine/core";
import { useQuery, useSuspenseQuery } from "@tanstack/react-query";
import { Link, type LinkProps, Outlet, useRouter } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { draftsQuery } from "@/api/drafts";
import { savedPipelineQuery } from "@/api/pipelines";
import { PageHeader } from "@/ui/PageHeader";
import { useCurrentInView } from "@/ui/useCurrentInView";
import { PipelineBadge } from "./PipelineBadge";
import classes from "./PipelineFrame.module.css";
import { strings } from "./strings";

const PauseControl = lazy(() => import("@/features/pausing/PauseControl"));
const PauseNotice = lazy(() => import("@/features/pausing/PauseNotice"));

/** The pages of a pipeline. A link appears as soon as its route exists. */
const PAGES = [
  { label: strings.editor, path: "/pipelines/$id/edit", needsVersion: false },
  { label: strings.runs, path: "/runs", needsVersion: true },
  { label: strings.versions, path: "/pipelines/$id/versions", needsVersion: true },
  { label: strings.triggers, path: "/pipelines/$id/triggers", needsVersion: true },
  { label: strings.deliveries, path: "/pipelines/$id/deliveries", needsVersion: true },
  { label: strings.settings, path: "/pipelines/$id/settings", needsVersion: true },
] as const;

export function PipelineFrame({ id }: { id: string }) {
  const { data: pipeline } = useSuspenseQuery(savedPipelineQuery(id));
  const { routesByPath } = useRouter();
  const nav = useCurrentInView();
  const pages = PAGES.filter(
    ({ path, needsVersion }) => path in routesByPath && (pipeline !== null || !needsVersion),
  );
  return (
    <>
      {pipeline === null ? (
        <NewHeader id={id} />
      ) : (
        <PageHeader
          title={pipeline.name}
          description={pipeline.description}
          beside={
            pipeline.status === "active" ? (
              <span className="numeric dimmed">{`v${pipeline.version}`}</span>
            ) : (
              <PipelineBadge status={pipeline.status} />
            )
          }
          actions={
            pipeline.status !== "archived" && (
              <Suspense>
                <PauseControl pipeline={pipeline} />
              </Suspense>
            )
          }
        />
      )}
      {pipeline?.pause && (
        <Suspense>
          <PauseNotice pause={pipeline.pause} />
        </Suspense>
      )}
      <nav ref={nav} aria-label={strings.views} className={classes.pages}>
        {pages.map(({ label, path }) => (
          <Link
            key={path}
            to={path as LinkProps["to"]}
            params={{ id } as never}
            search={(path === "/runs" ? { pipeline: id } : {}) as never}
            className={classes.page}
            activeProps={{ "aria-current": "page" }}
          >
            {label}
          </Link>
        ))}
      </nav>
      <Outlet />
    </>
  );
}

function NewHeader({ id }: { id: string }) {
  const { data: drafts } = useQuery(draftsQuery);
  const name = drafts?.find(({ pipeline_id }) => pipeline_id === id)?.name;
  return (
    <PageHeader
      title={name ?? strings.newPipeline}
      beside={
        <Badge variant="outline" tt="none">
          {strings.unsaved}
        </Badge>
      }
    />
  );
}
