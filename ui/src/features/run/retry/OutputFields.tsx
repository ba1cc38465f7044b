import { Button, Select } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { type Run, stepQuery } from "@/api/run";
import { toast } from "@/ui/feedback/toast";
import type { Row } from "../model/rows";
import { parseJson } from "./inputIssues";
import { JsonField } from "./JsonField";
import { strings } from "./strings";

type Outputs = Readonly<Record<string, string>>;

type Props = {
  run: Run;
  reused: readonly Row[];
  outputs: Outputs;
  onChange: (outputs: Record<string, string>) => void;
};

/** Replacements for the outputs of reused steps. A step is added when a person chooses it. */
export function OutputFields({ run, reused, outputs, onChange }: Props) {
  const queryClient = useQueryClient();
  const lastOf = new Map(
    reused.filter(({ branch }) => branch === "").map((row) => [row.step_id, row]),
  );
  const edited = Object.keys(outputs).filter((step) => lastOf.has(step));
  const add = async (step: string | null) => {
    const row = step === null ? undefined : lastOf.get(step);
    if (row === undefined || step === null) return;
    try {
      const detail = await queryClient.fetchQuery(stepQuery(run.id, row, "output"));
      onChange({ ...outputs, [step]: JSON.stringify(detail.output, null, 2) });
    } catch (error) {
      toast.failure(strings.failedToStart, error);
    }
  };
  const remove = (step: string) =>
    onChange(Object.fromEntries(Object.entries(outputs).filter(([each]) => each !== step)));
  if (lastOf.size === 0) return null;
  return (
    <>
      {edited.map((step) => (
        <div key={step}>
          <JsonField
            label={strings.outputOf(step)}
            text={outputs[step] ?? ""}
            issues={parseJson(outputs[step] ?? "").issues}
            onChange={(text) => onChange({ ...outputs, [step]: text })}
          />
          <Button variant="subtle" size="compact-sm" onClick={() => remove(step)}>
            {strings.reset}
          </Button>
        </div>
      ))}
      <Select
        label={strings.editOutput}
        placeholder={strings.outputs}
        data={[...lastOf.values()]
          .filter(({ step_id }) => !edited.includes(step_id))
          .map(({ step_id, name }) => ({ value: step_id, label: strings.step(name, step_id) }))}
        value={null}
        onChange={(step) => void add(step)}
      />
    </>
  );
}
