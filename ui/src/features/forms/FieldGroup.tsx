import type { ComponentType, ReactNode } from "react";
import classes from "./Forms.module.css";
import type { Issue } from "./issues";
import type { Field, Schema } from "./schema";

export type FieldProps = {
  field: Field;
  root: Schema;
  /** Where the field is in the value. */
  path: string;
  value: unknown;
  issues: readonly Issue[];
  /** `undefined`: the value is absent. */
  onChange: (value: unknown) => void;
};

/** Of a field that contains others. */
export type GroupProps = FieldProps & {
  /** Shows each field in the group. */
  Input: ComponentType<FieldProps>;
};

type Props = Pick<FieldProps, "field" | "path" | "issues"> & {
  children: ReactNode;
  /** Below the fields and the problem. */
  footer?: ReactNode;
};

/** The frame around the fields of an object or a list, with its problem. */
export function FieldGroup({ field, path, issues, children, footer }: Props) {
  const problem = issues.find((issue) => issue.path === path)?.text;
  return (
    <fieldset className={classes.group}>
      <legend className={classes.legend}>
        {field.label}
        {field.isRequired && " *"}
      </legend>
      {field.description && <p className={classes.hint}>{field.description}</p>}
      {children}
      {problem !== undefined && <p className={classes.problem}>{problem}</p>}
      {footer}
    </fieldset>
  );
}
