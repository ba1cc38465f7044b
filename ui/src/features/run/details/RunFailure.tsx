import { Button } from "@mantine/core";
import { Message } from "@/ui/text/Message";
import { CodeLink, failureOf } from "../failure";
import inspector from "../inspector/Inspector.module.css";
import { firstFailure } from "../model/tree";
import { strings } from "../strings";
import { useHead, useStore, useTree } from "../useRun";
import classes from "./Details.module.css";

const texts = strings.failure;

/** Why the run failed, with the way to the step. The details of that step show the same. */
export function RunFailure({ onSelect }: { onSelect: (key: string) => void }) {
  const store = useStore();
  const head = useHead();
  const tree = useTree();
  const failure = failureOf(head?.error);
  if (failure === null) return null;
  const key = firstFailure(tree, (each) => store.row(each));
  return (
    <div role="alert" className={inspector.error}>
      <div>
        <strong>{texts.title}</strong> <CodeLink code={failure.code} />
      </div>
      <p dir="auto">
        <Message text={failure.message} />
      </p>
      {key !== null && (
        <Button variant="default" className={classes.switch} onClick={() => onSelect(key)}>
          {texts.show}
        </Button>
      )}
    </div>
  );
}
