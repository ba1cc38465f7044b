import { useMemo, useRef, useState } from "react";
import { checkedText } from "@/features/forms/issues";
import { SchemaForm } from "@/features/forms/SchemaForm";
import { inputSchema, openedInput } from "@/features/forms/schema";
import { useRefusalInView } from "@/ui/feedback/useRefusalInView";
import classes from "./Panels.module.css";
import { strings } from "./strings";

type Input = Record<string, unknown>;

/** The form for the input of a document, and what it means. `given` is shown at first. */
export function useInputForm(document: unknown, given: Input | null | undefined) {
  const [typed, setTyped] = useState<string | null>(null);
  const [refusals, setRefusals] = useState(0);
  const root = useRef<HTMLDivElement>(null);
  useRefusalInView(root, null, refusals);
  const schema = useMemo(() => inputSchema(document), [document]);
  const hasInput = schema !== null && Object.keys(schema.properties ?? { any: true }).length > 0;
  const text = typed ?? JSON.stringify(openedInput(schema, given ?? {}), null, 2);

  /** The input, or null after errors, which the form then shows. */
  const read = (): Input | null => {
    if (!hasInput) return {};
    const { value, issues } = checkedText(text, schema);
    if (issues.length === 0) return value as Input;
    setRefusals(refusals + 1);
    return null;
  };
  const form = hasInput ? (
    <div ref={root}>
      <SchemaForm
        label={strings.input}
        text={text}
        schema={schema}
        isChecked={refusals > 0}
        onChange={setTyped}
      />
    </div>
  ) : (
    <p className={classes.hint}>{strings.noInput}</p>
  );
  return { form, read };
}

/** The input of the newest run, so that a person need not write it again. */
export function lastInput(runs: readonly { input_data: unknown }[] | undefined) {
  const input = runs?.[0]?.input_data;
  return typeof input === "object" && input !== null ? (input as Input) : null;
}
