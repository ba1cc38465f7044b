import { TextInput } from "@mantine/core";
import { Search } from "lucide-react";
import { type FormEvent, useState } from "react";
import classes from "./Admin.module.css";

type Props = {
  /** Accessible name, also shown while it is empty. */
  label: string;
  value: string | undefined;
  onFind: (text: string | undefined) => void;
};

/** A search field that searches with Enter. */
export function FindField({ label, value, onFind }: Props) {
  const [text, setText] = useState(value ?? "");
  const [applied, setApplied] = useState(value);
  // The address has changed otherwise, such as by the Back button.
  if (value !== applied) {
    setApplied(value);
    setText(value ?? "");
  }
  const find = (event: FormEvent) => {
    event.preventDefault();
    onFind(text.trim() || undefined);
  };
  return (
    <form onSubmit={find} className={classes.search}>
      <TextInput
        type="search"
        aria-label={label}
        placeholder={label}
        leftSection={<Search size={16} aria-hidden />}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
      />
    </form>
  );
}
