import { closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { yaml } from "@codemirror/lang-yaml";
import { foldGutter, foldKeymap, indentOnInput, indentUnit } from "@codemirror/language";
import { type Diagnostic, lintGutter, lintKeymap, setDiagnostics } from "@codemirror/lint";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { Annotation, Compartment, EditorState, type Extension, Prec } from "@codemirror/state";
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  keymap,
  lineNumbers,
} from "@codemirror/view";
import type { Issue } from "@/api/pipelines";
import { cspNonce } from "@/ui/theme/csp";
import { changeBetween } from "./changeBetween";
import { look } from "./codemirrorLook";
import type { MoreValues } from "./language/complete";
import { help } from "./language/help";
import type { Schema } from "./language/jsonSchema";
import { messageNode } from "./messageNode";

export type EditorEvents = {
  onChange: (text: string) => void;
  /** The line and column of the cursor, from 1. */
  onCursor: (line: number, column: number) => void;
  onTest: () => void;
  moreValues: MoreValues;
};

/** Marks changes that the draft has made. They need not be sent back. */
const fromDraft = Annotation.define<boolean>();

export class PipelineEditor {
  readonly #view: EditorView;
  readonly #help = new Compartment();
  readonly #events: EditorEvents;

  constructor(parent: HTMLElement, text: string, isReadOnly: boolean, events: EditorEvents) {
    this.#events = events;
    const test = () => {
      events.onTest();
      return true;
    };
    const extensions = [
      Prec.highest(keymap.of([{ key: "Mod-Enter", run: test }])),
      basics(),
      EditorState.readOnly.of(isReadOnly),
      // Without this, line breaks of another kind would change with the first edit.
      text.includes("\r") ? EditorState.lineSeparator.of("\n") : [],
      EditorView.cspNonce.of(cspNonce()),
      EditorView.contentAttributes.of({ "aria-label": "Pipeline YAML", tabindex: "0" }),
      this.#help.of([]),
      look,
      EditorView.updateListener.of(({ state, docChanged, selectionSet, transactions }) => {
        const isOwn = !transactions.some((each) => each.annotation(fromDraft));
        if (docChanged && isOwn) events.onChange(state.doc.toString());
        if (docChanged || selectionSet) this.#reportCursor(state);
      }),
    ];
    this.#view = new EditorView({ parent, state: EditorState.create({ doc: text, extensions }) });
    this.#reportCursor(this.#view.state);
  }

  /** Show a text that came from elsewhere. The undo history and the cursor remain. */
  setText(text: string): void {
    const current = this.#view.state.doc.toString();
    if (text === current) return;
    const change = changeBetween(current, text);
    this.#view.dispatch({ changes: change, annotations: fromDraft.of(true) });
  }

  setIssues(issues: readonly { issue: Issue; severity: "error" | "warning" }[]): void {
    const { state } = this.#view;
    const diagnostics = issues.map(({ issue, severity }): Diagnostic => {
      const line = state.doc.line(Math.min(Math.max(issue.line ?? 1, 1), state.doc.lines));
      const from = Math.min(line.from + Math.max((issue.column ?? 1) - 1, 0), line.to);
      const length = /^[^\s:,\]}]*/.exec(state.sliceDoc(from, line.to))?.[0].length ?? 0;
      const to = length > 0 ? from + length : line.to;
      return {
        from: length > 0 ? from : Math.min(from, line.from),
        to,
        severity,
        message: issue.message,
        renderMessage: () => messageNode(issue.message),
      };
    });
    this.#view.dispatch(setDiagnostics(state, diagnostics));
  }

  setSchema(schema: Schema): void {
    const more: MoreValues = (key) => this.#events.moreValues(key);
    this.#view.dispatch({ effects: this.#help.reconfigure(help(schema, more)) });
  }

  goTo(lineNumber: number, column: number): void {
    const { doc } = this.#view.state;
    const line = doc.line(Math.min(Math.max(lineNumber, 1), doc.lines));
    const at = Math.min(line.from + Math.max(column - 1, 0), line.to);
    const scroll = EditorView.scrollIntoView(at, { y: "center" });
    this.#view.dispatch({ selection: { anchor: at }, effects: scroll });
    this.#view.focus();
  }

  destroy(): void {
    this.#view.destroy();
  }

  #reportCursor(state: EditorState): void {
    const { head } = state.selection.main;
    const line = state.doc.lineAt(head);
    this.#events.onCursor(line.number, head - line.from + 1);
  }
}

function basics(): Extension {
  return [
    lineNumbers(),
    highlightActiveLineGutter(),
    lintGutter(),
    foldGutter(),
    history(),
    drawSelection(),
    indentOnInput(),
    indentUnit.of("  "),
    closeBrackets(),
    highlightActiveLine(),
    highlightSelectionMatches(),
    search({ top: true }),
    yaml(),
    keymap.of([
      ...closeBracketsKeymap,
      ...completionKeymap,
      ...searchKeymap,
      ...lintKeymap,
      ...foldKeymap,
      ...historyKeymap,
      ...defaultKeymap,
      // Escape, then Tab leaves the editor.
      indentWithTab,
    ]),
  ];
}
