import { Alert, Button, FileButton, Textarea, UnstyledButton } from "@mantine/core";
import { FileUp } from "lucide-react";
import { type DragEvent, useState } from "react";
import type { Example } from "@/api/pipelines";
import { TextSkeleton } from "@/ui/feedback/Skeletons";
import { CodeBlock } from "@/ui/text/CodeBlock";
import { Message } from "@/ui/text/Message";
import classes from "./CreateDialog.module.css";
import { BLANK, strings } from "./strings";

const MAX_BYTES = 256 * 1024;

export function BlankSource() {
  return (
    <>
      <p className={classes.text}>{strings.blankText}</p>
      <CodeBlock label={strings.definition} code={BLANK} withoutHeading />
    </>
  );
}

type ExampleProps = {
  examples: readonly Example[] | undefined;
  selected: Example | undefined;
  onSelect: (id: string) => void;
};

export function ExampleSource({ examples, selected, onSelect }: ExampleProps) {
  if (examples === undefined || selected === undefined) return <TextSkeleton lines={8} />;
  const move = (by: number) => {
    const next = examples[examples.indexOf(selected) + by];
    if (next === undefined) return;
    onSelect(next.id);
    document.getElementById(`example-${next.id}`)?.focus();
  };
  return (
    <>
      <p className={classes.text}>{strings.exampleText}</p>
      <div
        role="radiogroup"
        aria-label={strings.example}
        className={classes.examples}
        onKeyDown={(event) => {
          const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
          if (by === undefined) return;
          event.preventDefault();
          move(by);
        }}
      >
        {examples.map(({ id, name, description }) => (
          <UnstyledButton
            key={id}
            id={`example-${id}`}
            role="radio"
            aria-checked={id === selected.id}
            tabIndex={id === selected.id ? 0 : -1}
            className={classes.example}
            onClick={() => onSelect(id)}
          >
            <span className={classes.exampleName}>{name}</span>
            <span className="dimmed">{description}</span>
          </UnstyledButton>
        ))}
      </div>
      <div className={classes.preview}>
        <CodeBlock label={strings.definition} code={selected.source} withoutHeading />
      </div>
    </>
  );
}

type TextProps = { text: string; onText: (text: string) => void };

export function FileSource({ text, onText }: TextProps) {
  const [error, setError] = useState<string | null>(null);
  const [isOver, setOver] = useState(false);
  const read = async (file: File | null | undefined) => {
    if (!file) return;
    setError(null);
    if (file.size > MAX_BYTES) return setError(strings.fileTooLarge);
    try {
      onText(new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer()));
    } catch {
      setError(strings.fileUnreadable);
    }
  };
  const onDrop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    void read(event.dataTransfer.files[0]);
  };
  return (
    <>
      <p className={classes.text}>
        <Message text={strings.fileText} />
      </p>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the button inside does the same */}
      <div
        className={classes.drop}
        data-over={isOver}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={onDrop}
      >
        <FileUp size={24} aria-hidden />
        <FileButton onChange={(file) => void read(file)} accept=".yaml,.yml,.json">
          {(props) => (
            <Button variant="default" {...props}>
              {strings.chooseFile}
            </Button>
          )}
        </FileButton>
        {strings.dropFile}
      </div>
      {error && (
        <Alert color="red" role="alert">
          {error}
        </Alert>
      )}
      {text !== "" && (
        <div className={classes.preview}>
          <CodeBlock label={strings.definition} code={text} withoutHeading />
        </div>
      )}
    </>
  );
}

export function PasteSource({ text, onText }: TextProps) {
  return (
    <Textarea
      label={strings.definition}
      description={strings.pasteText}
      rows={14}
      value={text}
      classNames={{ input: "mono" }}
      spellCheck={false}
      onChange={(event) => onText(event.currentTarget.value)}
      data-autofocus
    />
  );
}
