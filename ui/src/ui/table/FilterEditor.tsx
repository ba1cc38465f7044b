import { Button, Checkbox, Radio, Stack, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import classes from "./FilterChips.module.css";
import type { FilterDefinition } from "./filters";

type Props = {
  filter: FilterDefinition;
  values: readonly string[];
  onChange: (value: string | readonly string[] | undefined) => void;
  onDone: () => void;
};

export function FilterEditor(props: Props) {
  return props.filter.kind === "choice" ? (
    <ChoiceEditor {...props} filter={props.filter} />
  ) : (
    <TextEditor {...props} filter={props.filter} />
  );
}

type ChoiceFilter = Extract<FilterDefinition, { kind: "choice" }>;

/** From this number of options, a field above them finds some. */
const SEARCHED_FROM = 12;

function ChoiceEditor({ filter, values, onChange }: Props & { filter: ChoiceFilter }) {
  const [text, setText] = useState("");
  const wanted = text.trim().toLowerCase();
  const options = filter.options.filter(({ label }) => label.toLowerCase().includes(wanted));
  const find = filter.options.length >= SEARCHED_FROM && (
    <TextInput
      aria-label={`Find in ${filter.label}`}
      placeholder="Find"
      value={text}
      onChange={(event) => setText(event.currentTarget.value)}
      data-autofocus
    />
  );
  if (filter.isSingle) {
    return (
      <Radio.Group label={filter.label} value={values[0] ?? null} onChange={onChange}>
        <Stack gap={8} mt={8} className={classes.options}>
          {find}
          {options.map(({ value, label }) => (
            <Radio key={value} value={value} label={label} />
          ))}
        </Stack>
      </Radio.Group>
    );
  }
  const change = (next: string[]) => onChange(next.length > 0 ? next : undefined);
  return (
    <Checkbox.Group label={filter.label} value={[...values]} onChange={change}>
      <Stack gap={8} mt={8} className={classes.options}>
        {find}
        {options.map(({ value, label }) => (
          <Checkbox key={value} value={value} label={label} />
        ))}
      </Stack>
    </Checkbox.Group>
  );
}

type TextFilter = Exclude<FilterDefinition, { kind: "choice" }>;

function TextEditor({ filter, values, onChange, onDone }: Props & { filter: TextFilter }) {
  const isTime = filter.kind === "time";
  const initial = values[0] ?? "";
  const [text, setText] = useState(isTime ? toLocal(initial) : initial);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const trimmed = text.trim();
    onChange(trimmed === "" ? undefined : isTime ? new Date(trimmed).toISOString() : trimmed);
    onDone();
  };
  return (
    <form onSubmit={submit}>
      <Stack gap={8}>
        <TextInput
          label={filter.label}
          type={isTime ? "datetime-local" : "text"}
          placeholder={filter.kind === "text" ? filter.placeholder : undefined}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          data-autofocus
        />
        <Button type="submit">Apply</Button>
      </Stack>
    </form>
  );
}

/** A time as a field for local times expects it. */
function toLocal(iso: string): string {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return "";
  return new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
