import { Button, Select } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { outputTextQuery } from "@/api/recordedTexts";
import type { Run } from "@/api/run";
import { SchemaForm } from "@/features/forms/SchemaForm";
import { toast } from "@/ui/feedback/toast";
import type { Row } from "../model/rows";
import type { Outputs } from "./outputs";
import { strings } from "./strings";

type Props = {
  run: Run;
  reused: readonly Row[];
  outputs: Outputs;
  onChange: (outputs: Outputs) => void;
};

/** Replacements for the outputs of reused steps. A step is added when a person chooses it. */
export function OutputFields({ run, reused, outputs, onChange }: Props) {
  const queryClient = useQueryClient();
  const lastOf = new Map(
    reused.filter(({ branch }) => branch === "").map((row) => [row.step_id, row]),
  );
  const chosen = Object.entries(outputs).filter(([step]) => lastOf.has(step));
  const add = async (step: string | null) => {
    const row = step === null ? undefined : lastOf.get(step);
    if (row === undefined || step === null) return;
    try {
      const recorded = await queryClient.fetchQuery(outputTextQuery(run.id, row));
      onChange({ ...outputs, [step]: { recorded, text: recorded } });
    } catch (error) {
      toast.failure(strings.outputFailed, error);
    }
  };
  const remove = (step: string) =>
    onChange(Object.fromEntries(Object.entries(outputs).filter(([each]) => each !== step)));
  if (lastOf.size === 0) return null;
  return (
    <>
      {chosen.map(([step, { recorded, text }]) => (
        <div key={step}>
          <SchemaForm
            label={strings.outputOf(step)}
            text={text}
            schema={null}
            isChecked
            onChange={(next) => onChange({ ...outputs, [step]: { recorded, text: next } })}
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
          .filter(({ step_id }) => !Object.hasOwn(outputs, step_id))
          .map(({ step_id, name }) => ({ value: step_id, label: strings.step(name, step_id) }))}
        value={null}
        onChange={(step) => void add(step)}
      />
    </>
  );
}
