import { CloseButton, Popover, UnstyledButton } from "@mantine/core";
import classes from "./FilterChips.module.css";
import { FilterEditor } from "./FilterEditor";
import { chipText, type FilterDefinition } from "./filters";

type Props = {
  filter: FilterDefinition;
  values: readonly string[];
  isOpen: boolean;
  onOpenChange: (isOpen: boolean) => void;
  onChange: (value: string | readonly string[] | undefined) => void;
};

export function FilterChip({ filter, values, isOpen, onOpenChange, onChange }: Props) {
  return (
    <Popover
      opened={isOpen}
      onChange={onOpenChange}
      position="bottom-start"
      withRoles={false}
      trapFocus
      returnFocus
      width={256}
    >
      <Popover.Target>
        <span className={classes.chip}>
          <UnstyledButton
            className={classes.edit}
            aria-haspopup="dialog"
            aria-expanded={isOpen}
            onClick={() => onOpenChange(!isOpen)}
          >
            <span className={classes.name}>{filter.label}</span>
            {values.length > 0 && (
              <span className={classes.value} dir="auto">
                {chipText(filter, values)}
              </span>
            )}
          </UnstyledButton>
          <CloseButton
            size={24}
            iconSize={14}
            aria-label={`Remove the filter ${filter.label}`}
            onClick={() => {
              onOpenChange(false);
              onChange(undefined);
            }}
          />
        </span>
      </Popover.Target>
      <Popover.Dropdown role="dialog" aria-label={filter.label}>
        <FilterEditor
          filter={filter}
          values={values}
          onChange={onChange}
          onDone={() => onOpenChange(false)}
        />
      </Popover.Dropdown>
    </Popover>
  );
}
