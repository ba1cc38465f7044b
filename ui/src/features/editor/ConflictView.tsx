import { Button, Loader } from "@mantine/core";
import { useMemo, useState } from "react";
import { CodeBlock } from "@/ui/text/CodeBlock";
import { ConflictPlace } from "./ConflictPlace";
import classes from "./ConflictView.module.css";
import { type Choice, choiceLines, mergeHunks } from "./draftMerge";
import type { DraftSession } from "./draftSession";
import type { Conflict, DraftState } from "./draftTypes";
import { strings } from "./strings";

const texts = strings.conflict;

function titleOf(conflict: Conflict): string {
  return conflict.source === "version" ? texts.version(conflict.version) : texts[conflict.source];
}

/** Differs between two conflicts that follow each other. */
function keyOf(conflict: Conflict): string {
  switch (conflict.source) {
    case "draft":
      return `draft ${conflict.draft.revision}`;
    case "version":
      return `version ${conflict.version}`;
    case "tab":
      return `tab ${conflict.tab}`;
  }
}

type Props = { session: Pick<DraftSession, "dispatch"> };

/** Asks a person to resolve the conflict of a draft. */
export function ConflictView({ session, state }: Props & { state: DraftState }) {
  const { conflict, text } = state;
  // The choices for a conflict must not apply to the next one.
  return (
    conflict && <Choices key={keyOf(conflict)} session={session} conflict={conflict} text={text} />
  );
}

/** Three texts beside each other: what both come from, theirs, and yours. A person chooses for each place. */
function Choices({ session, conflict, text }: Props & { conflict: Conflict; text: string }) {
  const hunks = useMemo(
    () => (conflict.base === null ? null : mergeHunks(conflict.base, text, conflict.theirs)),
    [conflict, text],
  );
  const [choices, setChoices] = useState<Readonly<Record<number, Choice>>>({});
  if (hunks === null) {
    return (
      <div className={classes.view} role="status">
        <Loader size="sm" /> {texts.loading}
      </div>
    );
  }
  const places = hunks.flatMap((hunk, index) => (hunk.kind === "conflict" ? [index] : []));
  const left = places.filter((index) => choices[index] === undefined).length;
  const result = hunks.flatMap((hunk, index) => choiceLines(hunk, choices[index] ?? "both"));
  const resolve = () => session.dispatch({ type: "resolved", text: result.join("\n") });
  return (
    <section className={classes.view} aria-label={titleOf(conflict)}>
      <h2 className={classes.title}>{titleOf(conflict)}</h2>
      <p className={classes.text}>{places.length === 0 ? texts.clean : texts.text}</p>
      {places.map((index, position) => {
        const hunk = hunks[index];
        return hunk?.kind !== "conflict" ? null : (
          <ConflictPlace
            key={index}
            hunk={hunk}
            title={texts.place(position + 1, places.length)}
            choice={choices[index]}
            onChoose={(choice) => setChoices({ ...choices, [index]: choice })}
          />
        );
      })}
      <CodeBlock label={texts.result} code={result.join("\n")} />
      <div className={classes.actions}>
        {left > 0 && <span className="dimmed">{texts.left(left)}</span>}
        <Button disabled={left > 0} onClick={resolve}>
          {texts.apply}
        </Button>
      </div>
    </section>
  );
}
