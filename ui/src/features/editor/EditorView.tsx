import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useCallback, useEffect, useRef, useState } from "react";
import { modelsQuery, schemaQuery } from "@/api/pipelines";
import { toast } from "@/ui/feedback/toast";
import { useKeys } from "@/ui/keys/useKeys";
import CodeEditor, { type EditorHandle } from "./CodeEditor";
import { ConflictView } from "./ConflictView";
import { saveErrorOf } from "./draftNeeds";
import type { DraftSession } from "./draftSession";
import { useDraftState } from "./draftSessions";
import { EditorBar } from "./EditorBar";
import { EditorNotices } from "./EditorNotices";
import classes from "./EditorView.module.css";
import type { EditorSearch } from "./editorSearch";
import type { Schema } from "./language/jsonSchema";
import { RunDialog } from "./RunDialog";
import { SidePanel } from "./SidePanel";
import { strings } from "./strings";
import { useCanEdit } from "./useCanEdit";
import { useCursorPlace } from "./useCursorPlace";
import { useProblems } from "./useProblems";

type Props = { session: DraftSession; search: EditorSearch };

/** The text of a pipeline with its panels. */
export default function EditorView({ session, search }: Props) {
  const state = useDraftState(session);
  const navigate = useNavigate();
  const handle = useRef<EditorHandle>(null);
  const { data: schema } = useQuery(schemaQuery);
  const moreValues = useModelValues();
  const saveError = saveErrorOf(state);
  const problems = useProblems(state.text, saveError);
  const [cursor, setCursor] = useState({ line: 1, column: 1 });
  const onCursor = useCallback((line: number, column: number) => setCursor({ line, column }), []);
  const place = useCursorPlace(state.text, cursor);
  const canWrite = useCanEdit(session.id);
  useSavedEffects(session);

  const show = (changes: Partial<EditorSearch>) =>
    void navigate({
      to: "/pipelines/$id/edit",
      params: { id: session.id },
      search: { ...search, ...changes },
      replace: true,
    });
  const shownError = useRef(saveError);
  useEffect(() => {
    if (saveError === shownError.current) return;
    shownError.current = saveError;
    if (saveError !== null && saveError.issues.length > 0) show({ panel: "problems" });
  });
  const save = () => session.dispatch({ type: "save" });
  const test = () => show({ panel: "test" });
  useKeys("Editor", [
    ...(canWrite ? [{ key: "mod+s", label: strings.save, run: save }] : []),
    { key: "mod+Enter", label: strings.test, run: test },
  ]);
  const isAsking = state.conflict !== null;
  return (
    <div className={classes.view}>
      <EditorBar
        session={session}
        state={state}
        onSave={save}
        onTest={test}
        onRun={() => show({ run: true })}
      />
      <EditorNotices session={session} state={state} />
      {isAsking ? (
        <ConflictView session={session} state={state} />
      ) : (
        <div className={classes.area}>
          <div className={classes.text}>
            <CodeEditor
              key={String(canWrite)}
              handle={handle}
              text={state.text}
              isReadOnly={!canWrite}
              issues={problems.all}
              schema={schema as Schema | undefined}
              onChange={(text) => session.dispatch({ type: "edited", text })}
              onCursor={onCursor}
              onTest={test}
              moreValues={moreValues}
            />
          </div>
          <SidePanel
            pipelineId={session.id}
            search={search}
            onSearch={show}
            text={state.text}
            schema={schema as Schema | undefined}
            place={place}
            cursor={cursor}
            problems={problems}
            onGoTo={(line, column) => handle.current?.goTo(line, column)}
          />
        </div>
      )}
      <RunDialog
        isOpen={search.run === true}
        state={state}
        pipelineId={session.id}
        onClose={() => show({ run: undefined })}
      />
    </div>
  );
}

/** After a new version: a message, and fresh data for the other pages. */
function useSavedEffects(session: DraftSession): void {
  const queryClient = useQueryClient();
  const { base, savedVersion } = useDraftState(session);
  const opened = useRef(base.version);
  const announced = useRef(savedVersion);
  useEffect(() => {
    if (base.version === opened.current) return;
    opened.current = base.version;
    // The drafts say whether a pipeline is new, so they come first.
    void queryClient
      .invalidateQueries({ queryKey: ["drafts"] })
      .then(() => queryClient.invalidateQueries({ queryKey: ["pipelines"] }));
  }, [base.version, queryClient]);
  useEffect(() => {
    if (savedVersion === announced.current) return;
    announced.current = savedVersion;
    if (savedVersion !== null) toast.success(strings.saved(savedVersion));
  }, [savedVersion]);
}

/** Models for the fields whose values are models. */
function useModelValues() {
  const queryClient = useQueryClient();
  return useCallback(
    async (key: string) => {
      if (key !== "model") return [];
      const models = await queryClient.ensureQueryData(modelsQuery).catch(() => []);
      return models
        .filter(({ usable }) => usable)
        .map(({ id, provider }) => ({ label: id, detail: provider, type: "constant" }));
    },
    [queryClient],
  );
}
