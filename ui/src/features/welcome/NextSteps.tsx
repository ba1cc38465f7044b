import { Alert, Button } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { FileUp, KeyRound, PencilLine } from "lucide-react";
import { useFirstKey } from "@/api/firstRun";
import type { Example } from "@/api/pipelines";
import { toast } from "@/ui/feedback/toast";
import { CodeBlock } from "@/ui/text/CodeBlock";
import { runCurl } from "./runCurl";
import { strings } from "./strings";
import classes from "./Welcome.module.css";

const PAGES = [
  { create: "blank", icon: PencilLine, label: strings.write, text: strings.writeText },
  { create: "file", icon: FileUp, label: strings.import, text: strings.importText },
] as const;

/** Write a pipeline, import one, or call the example's with a fresh key. */
export function NextSteps({ example }: { example: Example }) {
  const firstKey = useFirstKey();
  const create = () =>
    firstKey.mutate(
      { example, name: strings.keyName },
      { onError: (error) => toast.failure(strings.keyFailed, error) },
    );
  const created = firstKey.data;
  return (
    <section id="next" className={classes.next}>
      <h2 className={classes.heading}>{strings.nextTitle}</h2>
      <div className={classes.cards}>
        {PAGES.map(({ create, icon: Icon, label, text }) => (
          <div key={create} className={classes.card}>
            <h3 className={classes.cardTitle}>
              <Icon size={16} aria-hidden /> {label}
            </h3>
            <p className={classes.text}>{text}</p>
            <Button
              variant="default"
              renderRoot={(props) => <Link to="/pipelines" search={{ create }} {...props} />}
            >
              {label}
            </Button>
          </div>
        ))}
        <div className={classes.card}>
          <h3 className={classes.cardTitle}>
            <KeyRound size={16} aria-hidden /> {strings.call}
          </h3>
          <p className={classes.text}>{strings.callText}</p>
          <Button
            variant="default"
            loading={firstKey.isPending}
            disabled={created !== undefined}
            onClick={create}
          >
            {strings.createKey}
          </Button>
        </div>
      </div>
      {created && (
        <div className={classes.call}>
          <Alert color="yellow" mb="sm">
            {strings.keyShown}
          </Alert>
          <CodeBlock
            label={strings.curl}
            code={runCurl(
              window.location.origin,
              created.pipelineId,
              created.key,
              example.input_data,
            )}
          />
        </div>
      )}
    </section>
  );
}
