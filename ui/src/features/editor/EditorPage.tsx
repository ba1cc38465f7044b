import { Skeleton } from "@mantine/core";
import { lazy, Suspense, useEffect, useState } from "react";
import { useUser } from "@/api/session";
import { ErrorState } from "@/ui/feedback/ErrorState";
import { TextSkeleton } from "@/ui/feedback/Skeletons";
import type { DraftSession } from "./draftSession";
import { acquireDraft, releaseDraft, watchBrowser } from "./draftSessions";
import classes from "./EditorView.module.css";
import type { EditorSearch } from "./editorSearch";
import { strings } from "./strings";

const EditorView = lazy(() => import("./EditorView"));

/** Opens the draft while the editor's code loads. */
export function EditorPage({ id, search }: { id: string; search: EditorSearch }) {
  const { id: user } = useUser();
  const [session, setSession] = useState<DraftSession | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [attempt, setAttempt] = useState(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: each attempt opens the draft again
  useEffect(() => {
    let isCurrent = true;
    watchBrowser();
    acquireDraft(user, id).then(
      (opened) => isCurrent && setSession(opened),
      (reason) => isCurrent && setError(reason),
    );
    return () => {
      isCurrent = false;
      setSession(null);
      setError(null);
      releaseDraft(id);
    };
  }, [user, id, attempt]);
  if (error !== null) {
    return (
      <ErrorState
        error={error}
        title={strings.loadFailed}
        onRetry={() => setAttempt(attempt + 1)}
      />
    );
  }
  return (
    <Suspense fallback={<EditorSkeleton />}>
      {session === null ? <EditorSkeleton /> : <EditorView session={session} search={search} />}
    </Suspense>
  );
}

function EditorSkeleton() {
  return (
    <div className={classes.view} aria-busy>
      <div className={classes.bar}>
        <Skeleton height={12} width={160} />
      </div>
      <div className={classes.area}>
        <div className={classes.text}>
          <div className={classes.skeleton}>
            <TextSkeleton lines={16} />
          </div>
        </div>
        <aside className={classes.panel} />
      </div>
    </div>
  );
}
