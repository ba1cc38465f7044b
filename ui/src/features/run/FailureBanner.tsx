import { Button } from "@mantine/core";
import { CircleX } from "lucide-react";
import { Message } from "@/ui/text/Message";
import { CodeLink, failureOf } from "./failure";
import { firstFailure } from "./model/tree";
import classes from "./RunPage.module.css";
import { strings } from "./strings";
import { useHead, useStore, useTree } from "./useRun";

type Props = {
  selectedKey: string | null;
  onSelect: (key: string) => void;
};

/** Why the run failed, with the way to the step. The details of that step show the same. */
export default function FailureBanner({ selectedKey, onSelect }: Props) {
  const store = useStore();
  const head = useHead();
  const tree = useTree();
  const failure = failureOf(head?.error);
  if (failure === null) return null;
  const key = firstFailure(tree, (each) => store.row(each));
  if (key !== null && key === selectedKey) return null;
  const texts = strings.failure;
  return (
    <div role="alert" className={classes.banner}>
      <CircleX size={16} className={classes.bannerIcon} aria-hidden />
      <div className={classes.bannerText}>
        <strong>{texts.title}</strong> <CodeLink code={failure.code} />
        <p>
          <Message text={failure.message} />
        </p>
      </div>
      <div className={classes.bannerActions}>
        {key !== null && (
          <Button variant="default" onClick={() => onSelect(key)}>
            {texts.show}
          </Button>
        )}
      </div>
    </div>
  );
}
