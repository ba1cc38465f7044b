import { UnstyledButton } from "@mantine/core";
import { type KeyboardEvent, lazy, Suspense } from "react";
import { TextSkeleton } from "@/ui/feedback/Skeletons";
import { DocsPanel } from "./DocsPanel";
import classes from "./EditorView.module.css";
import { type EditorSearch, PANELS, type Panel } from "./editorSearch";
import type { Schema } from "./language/jsonSchema";
import { ProblemsPanel } from "./ProblemsPanel";
import { strings } from "./strings";
import { TestPanel } from "./TestPanel";
import type { Cursor, CursorPlace } from "./useCursorPlace";
import type { Problems } from "./useProblems";

const GraphPanel = lazy(() => import("./GraphPanel"));

type Props = {
  pipelineId: string;
  search: EditorSearch;
  onSearch: (changes: Partial<EditorSearch>) => void;
  text: string;
  schema: Schema | undefined;
  place: CursorPlace;
  cursor: Cursor;
  problems: Problems;
  onGoTo: (line: number, column: number | null) => void;
};

/** The panels beside the text. */
export function SidePanel(props: Props) {
  const { search, onSearch, problems } = props;
  const panel = search.panel ?? "docs";
  const onKeyDown = (event: KeyboardEvent) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (by === undefined) return;
    const next = PANELS[(PANELS.indexOf(panel) + by + PANELS.length) % PANELS.length] as Panel;
    onSearch({ panel: next });
    document.getElementById(`tab-${next}`)?.focus();
  };
  return (
    <aside className={classes.panel} aria-label={strings.panels}>
      <div
        role="tablist"
        aria-label={strings.panels}
        className={classes.tabs}
        onKeyDown={onKeyDown}
      >
        {PANELS.map((each) => (
          <UnstyledButton
            key={each}
            id={`tab-${each}`}
            role="tab"
            aria-selected={each === panel}
            aria-controls="editor-panel"
            tabIndex={each === panel ? 0 : -1}
            className={classes.tab}
            onClick={() => onSearch({ panel: each })}
          >
            {strings[each]}
            {each === "problems" && problems.all.length > 0 && ` (${problems.all.length})`}
          </UnstyledButton>
        ))}
      </div>
      <div
        id="editor-panel"
        role="tabpanel"
        aria-labelledby={`tab-${panel}`}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it
        tabIndex={0}
        className={classes.content}
        data-panel={panel}
      >
        {panel === "graph" && (
          <Suspense fallback={<TextSkeleton lines={8} />}>
            <GraphPanel
              text={props.text}
              cursor={props.cursor}
              place={props.place}
              onGoTo={props.onGoTo}
            />
          </Suspense>
        )}
        {panel === "docs" && <DocsPanel schema={props.schema} place={props.place} />}
        {panel === "test" && (
          <TestPanel
            pipelineId={props.pipelineId}
            text={props.text}
            document={props.place.document}
            search={search}
            onSearch={onSearch}
          />
        )}
        {panel === "problems" && <ProblemsPanel problems={problems} onGoTo={props.onGoTo} />}
      </div>
    </aside>
  );
}
