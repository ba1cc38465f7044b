import { ActionIcon, Button } from "@mantine/core";
import { Plus, X } from "lucide-react";
import { FieldInput, type FieldProps } from "./FieldInput";
import classes from "./Forms.module.css";
import { pathIn } from "./issues";
import { Problem } from "./ObjectField";
import { type Field, fieldOf, itemsOf } from "./schema";
import { strings } from "./strings";

/** The items of a list. An optional list without items is absent. */
export function ListField(props: FieldProps) {
  const { field, root, path, value, issues, onChange } = props;
  const items = Array.isArray(value) ? value : [];
  const change = (next: unknown[]) =>
    onChange(next.length === 0 && !field.isRequired ? undefined : next);
  return (
    <fieldset className={classes.group}>
      <legend className={classes.legend}>
        {field.label}
        {field.isRequired && " *"}
      </legend>
      {field.description && <p className={classes.hint}>{field.description}</p>}
      {items.map((each, index) => {
        const item = fieldOf(strings.item(index + 1), itemsOf(field.schema), root, true);
        const name = `${field.label} ${index + 1}`;
        return (
          <div key={index} className={classes.item}>
            <FieldInput
              field={{ ...item, label: name }}
              root={root}
              path={pathIn(path, index)}
              value={each}
              issues={issues}
              onChange={(next) => change(items.with(index, next === undefined ? null : next))}
            />
            <ActionIcon
              size={24}
              aria-label={strings.remove(name)}
              onClick={() => change(items.toSpliced(index, 1))}
            >
              <X size={14} aria-hidden />
            </ActionIcon>
          </div>
        );
      })}
      <Problem path={path} issues={issues} />
      <Button
        className={classes.add}
        variant="subtle"
        size="compact-sm"
        leftSection={<Plus size={14} aria-hidden />}
        onClick={() => change([...items, initial(fieldOf("", itemsOf(field.schema), root, true))])}
      >
        {strings.add}
      </Button>
    </fieldset>
  );
}

/** A new item, which a person then fills in. */
function initial({ kind }: Field): unknown {
  if (kind === "object") return {};
  if (kind === "list") return [];
  if (kind === "boolean") return false;
  return kind === "text" ? "" : null;
}
