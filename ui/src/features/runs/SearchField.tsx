import { TextInput } from "@mantine/core";
import { Search } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { useKeys } from "@/ui/keys/useKeys";
import classes from "./Runs.module.css";
import { strings } from "./strings";

const PAUSE_MS = 300;

type Props = { value: string; onChange: (text: string) => void };

/** A field whose text becomes a filter after a pause in typing. The key / moves to it. */
export function SearchField({ value, onChange }: Props) {
  const [text, setText] = useState(value);
  const [sent, setSent] = useState(value);
  const [known, setKnown] = useState(value);
  const field = useRef<HTMLInputElement>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useKeys(strings.title, [{ key: "/", label: strings.search, run: () => field.current?.focus() }]);
  useEffect(() => () => clearTimeout(timer.current), []);
  if (value !== known) {
    setKnown(value);
    // The address has changed without this field, for example by Back.
    if (value !== sent) {
      setSent(value);
      setText(value);
    }
  }
  const send = (next: string) => {
    clearTimeout(timer.current);
    const trimmed = next.trim();
    if (trimmed === sent) return;
    setSent(trimmed);
    onChange(trimmed);
  };
  const type = (next: string) => {
    setText(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => send(next), PAUSE_MS);
  };
  return (
    <TextInput
      ref={field}
      type="search"
      aria-label={strings.search}
      placeholder={strings.searchHint}
      className={classes.search}
      leftSection={<Search size={16} aria-hidden />}
      value={text}
      onChange={(event) => type(event.currentTarget.value)}
      onKeyDown={(event) => {
        if (event.key === "Enter") send(text);
        if (event.key === "Escape") field.current?.blur();
      }}
    />
  );
}
