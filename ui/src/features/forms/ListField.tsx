import { ActionIcon, Button } from "@mantine/core";
import { Plus, X } from "lucide-react";
import { FieldGroup, type GroupProps } from "./FieldGroup";
import classes from "./Forms.module.css";
import { pathIn } from "./issues";
import { type Field, fieldOf, itemsOf } from "./schema";
import { strings } from "./strings";

/** The items of a list. An optional list without items is absent. */
export function ListField(props: GroupProps) {
  const { field, root, path, value, issues, onChange, Input } = props;
  const items = Array.isArray(value) ? value : [];
  const change = (next: unknown[]) =>
    onChange(next.length === 0 && !field.isRequired ? undefined : next);
  const add = (
    <Button
      className={classes.add}
      variant="subtle"
      size="compact-sm"
      leftSection={<Plus size={14} aria-hidden />}
      onClick={() => change([...items, initial(fieldOf("", itemsOf(field.schema), root, true))])}
    >
      {strings.add}
    </Button>
  );
  return (
    <FieldGroup field={field} path={path} issues={issues} footer={add}>
      {items.map((each, index) => {
        const item = fieldOf(strings.item(index + 1), itemsOf(field.schema), root, true);
        const name = `${field.label} ${index + 1}`;
        return (
          <div key={index} className={classes.item}>
            <Input
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
    </FieldGroup>
  );
}

/** A new item, which a person then fills in. */
function initial({ kind }: Field): unknown {
  if (kind === "object") return {};
  if (kind === "list") return [];
  if (kind === "boolean") return false;
  return kind === "text" ? "" : null;
}
