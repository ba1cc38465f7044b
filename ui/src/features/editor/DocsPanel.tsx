import { Anchor } from "@mantine/core";
import { Fragment, useMemo } from "react";
import { TextSkeleton } from "@/ui/feedback/Skeletons";
import { Message } from "@/ui/text/Message";
import type { Schema } from "./language/jsonSchema";
import { docsAt } from "./language/stepAt";
import classes from "./Panels.module.css";
import { strings } from "./strings";
import type { CursorPlace } from "./useCursorPlace";

/** The documentation of the step under the cursor. */
export function DocsPanel({ schema, place }: { schema: Schema | undefined; place: CursorPlace }) {
  const docs = useMemo(
    () => (schema === undefined ? null : docsAt(schema, place.document, place.path)),
    [schema, place],
  );
  if (docs === null) return <TextSkeleton lines={8} />;
  const current = place.path[docs.step?.path.length ?? 1];
  return (
    <>
      <h2 className={classes.title}>{docs.title ?? "Pipeline"}</h2>
      <p className={classes.lead}>{<Message text={docs.description ?? strings.noDocs} />}</p>
      {docs.fields.length > 0 && (
        <dl className={classes.fields} aria-label={strings.fields}>
          {docs.fields.map(({ name, description, isRequired }) => (
            <Fragment key={name}>
              <dt data-current={name === current}>
                <code className="mono">{name}</code>
                {isRequired && <span className={classes.required}>{strings.required}</span>}
              </dt>
              <dd>
                <Message text={description} />
              </dd>
            </Fragment>
          ))}
        </dl>
      )}
      <Anchor
        href={docs.step === null ? "/docs/steps" : `/docs/steps#${docs.step.type}`}
        target="_blank"
      >
        {strings.moreDocs}
      </Anchor>
    </>
  );
}
