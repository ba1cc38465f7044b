import { TextInput } from "@mantine/core";
import { Search } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { useKeys } from "../keys/useKeys";
import { stillSent } from "./sentTexts";

const PAUSE_MS = 300;

type Props = {
  /** Heading of the key in the key help, such as "Runs". */
  title: string;
  label: string;
  placeholder: string;
  className?: string;
  value: string;
  onChange: (text: string) => void;
};

/** A field whose text becomes a filter after a pause in typing. The key / moves to it. */
export function SearchField({ title, label, value, onChange, ...others }: Props) {
  const [text, setText] = useState(value);
  const [sent, setSent] = useState<readonly string[]>([]);
  const [known, setKnown] = useState(value);
  const field = useRef<HTMLInputElement>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useKeys(title, [{ key: "/", label, run: () => field.current?.focus() }]);
  useEffect(() => () => clearTimeout(timer.current), []);
  if (value !== known) {
    setKnown(value);
    const still = stillSent(sent, value);
    setSent(still ?? []);
    if (still === null) setText(value);
  }
  const send = () => {
    clearTimeout(timer.current);
    const trimmed = text.trim();
    if (trimmed === (sent.at(-1) ?? known)) return;
    setSent([...sent, trimmed]);
    onChange(trimmed);
  };
  // After the pause, other filters or the text may have changed, for example by Back.
  const latest = useRef(send);
  useEffect(() => {
    latest.current = send;
  });
  const type = (next: string) => {
    setText(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => latest.current(), PAUSE_MS);
  };
  return (
    <TextInput
      {...others}
      ref={field}
      type="search"
      aria-label={label}
      leftSection={<Search size={16} aria-hidden />}
      value={text}
      onChange={(event) => type(event.currentTarget.value)}
      onKeyDown={(event) => {
        if (event.key === "Enter") send();
        if (event.key === "Escape") field.current?.blur();
      }}
    />
  );
}
