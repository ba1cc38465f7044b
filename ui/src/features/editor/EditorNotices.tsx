import { Button } from "@mantine/core";
import type { ReactNode } from "react";
import { useDenied } from "@/api/access";
import { ErrorText } from "@/ui/feedback/ErrorText";
import { toast } from "@/ui/feedback/toast";
import { hasChanges, saveErrorOf } from "./draftNeeds";
import { draftServer } from "./draftServer";
import type { DraftSession } from "./draftSession";
import type { DraftState } from "./draftTypes";
import classes from "./EditorView.module.css";
import { ManagedNotice } from "./ManagedNotice";
import { strings } from "./strings";

/** What a person should know about the draft. */
export function EditorNotices({ session, state }: { session: DraftSession; state: DraftState }) {
  const { others, unreachable, refused, base, latestVersion } = state;
  const saveError = saveErrorOf(state);
  const isBehind = base.version !== null && latestVersion !== null && latestVersion > base.version;
  const denied = useDenied("pipelines:write", "change the definition");
  const merge = async () => {
    if (latestVersion === null) return;
    try {
      const text = await draftServer.versionText(session.id, latestVersion);
      session.dispatch({ type: "rebase", version: latestVersion, text });
    } catch (error) {
      toast.failure(strings.loadFailed, error);
    }
  };
  return (
    <>
      {denied !== null && <Notice>{denied}</Notice>}
      <ManagedNotice id={session.id} />
      {session.isAtRisk && <Notice tone="bad">{strings.atRisk}</Notice>}
      {unreachable !== null && !session.isAtRisk && <Notice>{strings.offline}</Notice>}
      {refused !== null && refused.text === state.text && (
        <Notice tone="bad">
          <span>
            {strings.refused} <ErrorText error={refused.error} />
          </span>
        </Notice>
      )}
      {saveError !== null && (
        <Notice tone="bad">
          <span>
            {strings.saveFailed}. <ErrorText error={saveError} />
          </span>
        </Notice>
      )}
      {isBehind && hasChanges(state) && state.conflict === null && (
        <Notice>
          {strings.newer(latestVersion)}
          <Button size="compact-sm" variant="default" onClick={() => void merge()}>
            {strings.mergeIt}
          </Button>
        </Notice>
      )}
      {others.map(({ name, baseVersion, updatedAt }) => (
        <Notice key={`${name}${updatedAt}`}>{strings.others(name, baseVersion)}</Notice>
      ))}
    </>
  );
}

function Notice({ tone, children }: { tone?: "bad"; children: ReactNode }) {
  return (
    <div className={classes.notice} data-tone={tone} role={tone === "bad" ? "alert" : "status"}>
      {children}
    </div>
  );
}
