import { Anchor, Button } from "@mantine/core";
import { useSuspenseQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { Play } from "lucide-react";
import { useDenied } from "@/api/access";
import { useRunExample } from "@/api/firstRun";
import { examplesQuery } from "@/api/pipelines";
import { ErrorState } from "@/ui/feedback/ErrorState";
import { PageHeader } from "@/ui/PageHeader";
import { CodeBlock } from "@/ui/text/CodeBlock";
import { firstExample } from "./firstExample";
import { NextSteps } from "./NextSteps";
import { strings } from "./strings";
import classes from "./Welcome.module.css";

/** What a new account sees first: an example to run, and what to do after it. */
export function WelcomePage() {
  const { data: examples } = useSuspenseQuery(examplesQuery);
  const example = firstExample(examples);
  const runExample = useRunExample();
  const denied = useDenied("pipelines:write", "run the example");
  const navigate = useNavigate();
  const run = () =>
    runExample.mutate(example, {
      onSuccess: ({ id }) =>
        void navigate({ to: "/runs/$runId", params: { runId: id }, search: { first: true } }),
    });
  return (
    <>
      <PageHeader
        title={strings.title}
        description={strings.description}
        actions={
          <Button
            variant="subtle"
            color="gray"
            renderRoot={(props) => <Link to="/runs" {...props} />}
          >
            {strings.skip}
          </Button>
        }
      />
      <section className={classes.example}>
        <div>
          <h2 className={classes.heading}>{strings.firstTitle}</h2>
          <p className={classes.name}>{example.name}</p>
          <p className={classes.text}>{example.description}</p>
          <p className={classes.text}>{denied ?? strings.model}</p>
          <div className={classes.actions}>
            <Button
              size="md"
              leftSection={<Play size={16} aria-hidden />}
              loading={runExample.isPending}
              disabled={denied !== null}
              onClick={run}
            >
              {strings.run}
            </Button>
            <Anchor
              renderRoot={(props) => (
                <Link to="/pipelines" search={{ create: "example" }} {...props} />
              )}
            >
              {strings.otherExamples}
            </Anchor>
          </div>
          {runExample.error && (
            <ErrorState error={runExample.error} title={strings.runFailed} onRetry={run} />
          )}
        </div>
        <div className={classes.code}>
          <CodeBlock label={strings.input} code={JSON.stringify(example.input_data, null, 2)} />
          <div className={classes.definition}>
            <CodeBlock label={strings.definition} code={example.source} />
          </div>
        </div>
      </section>
      {denied === null && <NextSteps example={example} />}
    </>
  );
}
