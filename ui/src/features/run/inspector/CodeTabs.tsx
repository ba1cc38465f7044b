import { useQuery } from "@tanstack/react-query";
import { type Run, type StepDetail, versionQuery } from "@/api/run";
import { JsonTree } from "@/ui/text/JsonTree";
import { TextViewer } from "@/ui/text/TextViewer";
import { definitionOf, type TabProps } from "./kinds";
import { Logs } from "./Logs";
import { Note, Section } from "./parts";
import { strings } from "./strings";

/** The source of the code and the expressions that select its data. */
export function CodeInput({ run, detail }: TabProps) {
  const { data: version } = useQuery(versionQuery(run.pipeline_id, run.pipeline_version));
  const definition = definitionOf(version?.definition, detail.step_id);
  if (definition === null) return <Note>{strings.noRequest}</Note>;
  const { source } = definition;
  return (
    <>
      {definition.input !== undefined && (
        <Section title={strings.code.arguments}>
          <JsonTree value={definition.input} label={strings.code.arguments} />
        </Section>
      )}
      {typeof source === "string" && (
        <Section title={strings.code.source}>
          <TextViewer text={source} label={strings.code.source} />
        </Section>
      )}
    </>
  );
}

export function PrintedLines({ run, detail }: { run: Run; detail: StepDetail }) {
  return <Logs run={run} detail={detail} empty={strings.code.noPrinted} />;
}
