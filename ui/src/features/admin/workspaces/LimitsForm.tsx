import { Button, Select, TextInput } from "@mantine/core";
import { useSuspenseQuery } from "@tanstack/react-query";
import { type FormEvent, useRef, useState } from "react";
import { type AdminWorkspaceDetail, plansQuery, useChangeWorkspace } from "@/api/adminWorkspaces";
import { LIMIT_NAMES } from "@/features/usage/limitNames";
import { FormError } from "@/ui/feedback/FormError";
import { fieldErrors } from "@/ui/feedback/fieldErrors";
import { toast } from "@/ui/feedback/toast";
import { useRefusalInView } from "@/ui/feedback/useRefusalInView";
import { formatNumber } from "@/ui/format/numbers";
import classes from "../Admin.module.css";
import { changedLimits, limitText, typedOverrides } from "./limits";
import { strings } from "./strings";

/** The plan of a workspace, and the limits that replace those of the plan. */
export default function LimitsForm({ workspace }: { workspace: AdminWorkspaceDetail }) {
  const { data: plans } = useSuspenseQuery(plansQuery);
  const [plan, setPlan] = useState(workspace.plan);
  const shown = plans.find(({ name }) => name === plan) ?? {
    name: plan,
    limits: workspace.limits,
  };
  const stored = typedOverrides(shown, workspace.overrides);
  const [edited, setEdited] = useState<Record<string, string>>({});
  const typed = { ...stored, ...edited };
  const limits = changedLimits(stored, typed);
  const change = useChangeWorkspace(workspace.id);
  const errors = fieldErrors(change.error);
  const form = useRef<HTMLFormElement>(null);
  useRefusalInView(form, change.error);
  const isChanged = plan !== workspace.plan || Object.keys(limits).length > 0;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!isChanged) return;
    change.mutate({ plan, limits }, { onSuccess: () => toast.success(strings.saved) });
  };
  const fields = Object.keys(shown.limits).map((name) => `limits.${name}`);
  return (
    <section aria-labelledby="limits" className={classes.section}>
      <h2 id="limits" className={classes.heading}>
        {strings.planAndLimits}
      </h2>
      <p className={classes.text}>{strings.limitsText}</p>
      <form ref={form} onSubmit={submit} className={classes.form} noValidate>
        <FormError error={change.error} fields={["plan", ...fields]} />
        <Select
          label={strings.plan}
          className={classes.narrow}
          data={plans.map(({ name }) => name)}
          value={plan}
          allowDeselect={false}
          error={errors.plan}
          onChange={(value) => setPlan(value ?? plan)}
        />
        <table className={classes.limits} aria-label={strings.limits}>
          <thead>
            <tr>
              <th scope="col">{strings.limit}</th>
              <th scope="col">{strings.ofPlan}</th>
              <th scope="col">{strings.ofWorkspace}</th>
            </tr>
          </thead>
          <tbody>
            {Object.entries(shown.limits).map(([name, value]) => (
              <tr key={name} data-changed={typed[name] !== ""}>
                <th scope="row">{LIMIT_NAMES[name] ?? name}</th>
                <td className="numeric">
                  {typeof value === "number" ? formatNumber(value) : limitText(value)}
                </td>
                <td>
                  <TextInput
                    size="xs"
                    aria-label={LIMIT_NAMES[name] ?? name}
                    placeholder={strings.asPlan}
                    value={typed[name] ?? ""}
                    error={errors[`limits.${name}`]}
                    onChange={(event) => {
                      const text = event.currentTarget.value;
                      setEdited((known) => ({ ...known, [name]: text }));
                    }}
                  />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
        <div className={classes.actions}>
          <Button type="submit" disabled={!isChanged} loading={change.isPending}>
            {strings.save}
          </Button>
          {isChanged && (
            <Button
              variant="default"
              onClick={() => {
                setPlan(workspace.plan);
                setEdited({});
              }}
            >
              {strings.discard}
            </Button>
          )}
        </div>
      </form>
    </section>
  );
}
