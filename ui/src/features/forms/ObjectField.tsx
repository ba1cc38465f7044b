import { FieldInput, type FieldProps } from "./FieldInput";
import classes from "./Forms.module.css";
import { pathIn } from "./issues";
import { fieldsOf, isObject } from "./schema";

/** The fields of an object. An optional object whose fields are all empty is absent. */
export function ObjectField(props: FieldProps) {
  const { field, root, path, value, issues, onChange } = props;
  const members = isObject(value) ? value : {};
  const fields = fieldsOf(field.schema, root) ?? [];
  const change = (name: string, next: unknown) => {
    const { [name]: _, ...others } = members;
    const changed =
      next === undefined
        ? others
        : name in members
          ? { ...members, [name]: next }
          : { ...others, [name]: next };
    const isAbsent = !field.isRequired && Object.keys(changed).length === 0;
    onChange(isAbsent ? undefined : changed);
  };
  const inputs = fields.map((each) => (
    <FieldInput
      key={each.name}
      field={each}
      root={root}
      path={pathIn(path, each.name)}
      value={members[each.name]}
      issues={issues}
      onChange={(next) => change(each.name, next)}
    />
  ));
  if (path === "") return <div className={classes.fields}>{inputs}</div>;
  return (
    <fieldset className={classes.group}>
      <legend className={classes.legend}>
        {field.label}
        {field.isRequired && " *"}
      </legend>
      {field.description && <p className={classes.hint}>{field.description}</p>}
      {inputs}
      <Problem path={path} issues={issues} />
    </fieldset>
  );
}

export function Problem({ path, issues }: Pick<FieldProps, "path" | "issues">) {
  const text = issues.find((issue) => issue.path === path)?.text;
  return text === undefined ? null : <p className={classes.problem}>{text}</p>;
}
