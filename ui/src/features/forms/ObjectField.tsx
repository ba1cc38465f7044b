import { FieldGroup, type GroupProps } from "./FieldGroup";
import classes from "./Forms.module.css";
import { pathIn } from "./issues";
import { fieldsOf, isObject } from "./schema";

/** The fields of an object. An optional object whose fields are all empty is absent. */
export function ObjectField(props: GroupProps) {
  const { field, root, path, value, issues, onChange, Input } = props;
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
    <Input
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
    <FieldGroup field={field} path={path} issues={issues}>
      {inputs}
    </FieldGroup>
  );
}
