import { Anchor, Group } from "@mantine/core";
import { useMemo, useRef, useState } from "react";
import { checkedText } from "@/features/forms/issues";
import { SchemaForm } from "@/features/forms/SchemaForm";
import { inputSchema, isObject, openedInput } from "@/features/forms/schema";
import { useRefusalInView } from "@/ui/feedback/useRefusalInView";
import { formatRelative } from "@/ui/format/times";
import classes from "./Panels.module.css";
import { strings } from "./strings";

type Input = Record<string, unknown>;
type Runs = readonly { input_data: unknown; created_at: string }[];

/** The form for the input of a document, and what it means. At first it shows `example`, or the newest run's input. */
export function useInputForm(document: unknown, runs: Runs | undefined, example?: Input | null) {
  const [typed, setTyped] = useState<string | null>(null);
  const [refusals, setRefusals] = useState(0);
  const root = useRef<HTMLDivElement>(null);
  useRefusalInView(root, null, refusals);
  const schema = useMemo(() => inputSchema(document), [document]);
  const hasInput = schema !== null && Object.keys(schema.properties ?? { any: true }).length > 0;
  const newest = example ? undefined : runs?.[0];
  const last = hasFields(newest?.input_data) ? newest : undefined;
  const given = example ?? (last?.input_data as Input | undefined) ?? {};
  const textOf = (input: Input) => JSON.stringify(openedInput(schema, input), null, 2);
  const text = typed ?? textOf(given);

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
      {last !== undefined && typed === null && (
        <Group component="p" className={classes.hint} gap="xs" mb="sm">
          {strings.filledIn(formatRelative(new Date(last.created_at), Date.now()))}
          <Anchor component="button" type="button" size="sm" onClick={() => setTyped(textOf({}))}>
            {strings.clearInput}
          </Anchor>
        </Group>
      )}
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

function hasFields(input: unknown): boolean {
  return isObject(input) && Object.keys(input).length > 0;
}
