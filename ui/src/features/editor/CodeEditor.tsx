import { useEffect, useImperativeHandle, useRef } from "react";
import type { Issue } from "@/api/pipelines";
import classes from "./CodeEditor.module.css";
import { type EditorEvents, PipelineEditor } from "./codemirror";
import type { Schema } from "./language/jsonSchema";

export type EditorHandle = { goTo: (line: number, column?: number | null) => void };

type Props = EditorEvents & {
  text: string;
  /** Whether the text can only be read. It does not change while the editor is open. */
  isReadOnly: boolean;
  issues: readonly { issue: Issue; severity: "error" | "warning" }[];
  schema: Schema | undefined;
  handle: React.Ref<EditorHandle>;
};

/** The text of a pipeline in CodeMirror. It keeps its history while other tabs or merges change the text. */
export default function CodeEditor(props: Props) {
  const { text, isReadOnly, issues, schema, handle, ...events } = props;
  const parent = useRef<HTMLDivElement>(null);
  const editor = useRef<PipelineEditor | null>(null);
  const first = useRef({ text, isReadOnly });
  const latest = useRef(events);
  useEffect(() => {
    latest.current = events;
  });
  useEffect(() => {
    if (parent.current === null) return;
    const { text, isReadOnly } = first.current;
    const created = new PipelineEditor(parent.current, text, isReadOnly, {
      onChange: (next) => latest.current.onChange(next),
      onCursor: (line, column) => latest.current.onCursor(line, column),
      onTest: () => latest.current.onTest(),
      moreValues: (key) => latest.current.moreValues(key),
    });
    editor.current = created;
    return () => {
      created.destroy();
      editor.current = null;
    };
  }, []);
  useEffect(() => editor.current?.setText(text), [text]);
  useEffect(() => editor.current?.setIssues(issues), [issues]);
  useEffect(() => {
    if (schema) editor.current?.setSchema(schema);
  }, [schema]);
  useImperativeHandle(handle, () => ({
    goTo: (line, column) => editor.current?.goTo(line, column ?? 1),
  }));
  return <div ref={parent} className={classes.editor} />;
}
