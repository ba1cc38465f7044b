import { Button, Checkbox, Popover, Stack } from "@mantine/core";
import { Columns3 } from "lucide-react";

type Props = {
  columns: readonly { id: string; label: string }[];
  shown: readonly string[];
  onChange: (shown: string[]) => void;
};

/** A button that opens the choice of a table's columns. */
export default function ColumnPicker({ columns, shown, onChange }: Props) {
  return (
    <Popover position="bottom-end" trapFocus returnFocus>
      <Popover.Target>
        <Button variant="default" leftSection={<Columns3 size={16} aria-hidden />}>
          Columns
        </Button>
      </Popover.Target>
      <Popover.Dropdown aria-label="Columns">
        <Checkbox.Group
          label="Columns"
          description="A narrow table shows the first ones only."
          value={[...shown]}
          onChange={onChange}
        >
          <Stack gap={8} mt={8}>
            {columns.map(({ id, label }) => (
              <Checkbox key={id} value={id} label={label} />
            ))}
          </Stack>
        </Checkbox.Group>
      </Popover.Dropdown>
    </Popover>
  );
}
