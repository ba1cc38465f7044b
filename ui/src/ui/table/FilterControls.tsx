import { Button, Menu } from "@mantine/core";
import { ListFilter } from "lucide-react";
import { useState } from "react";
import { useKeys } from "../keys/useKeys";
import { FilterChip } from "./FilterChip";
import { type FilterDefinition, type FilterValues, valuesOf } from "./filters";

export type FilterProps = {
  filters: readonly FilterDefinition[];
  /** The search parameters of the page. */
  values: FilterValues;
  /** Gets the changed parameters: navigate with them. Undefined removes one. */
  onChange: (changes: FilterValues) => void;
};

/** The chips, the menu and the button of `FilterChips`, which loads them after the page. */
export default function FilterControls({ filters, values, onChange }: FilterProps) {
  const [openId, setOpenId] = useState<string | null>(null);
  const [isMenuOpen, setMenuOpen] = useState(false);
  const used = filters.filter(({ id }) => valuesOf(values, id).length > 0);
  const shown = filters.filter((filter) => used.includes(filter) || filter.id === openId);
  const others = filters.filter((filter) => !shown.includes(filter));
  useKeys("Filters", [{ key: "f", label: "Add a filter", run: () => setMenuOpen(true) }]);
  const clear = () => onChange(Object.fromEntries(used.map(({ id }) => [id, undefined])));
  return (
    <>
      {shown.map((filter) => (
        <FilterChip
          key={filter.id}
          filter={filter}
          values={valuesOf(values, filter.id)}
          isOpen={filter.id === openId}
          onOpenChange={(isOpen) => setOpenId(isOpen ? filter.id : null)}
          onChange={(value) => onChange({ [filter.id]: value })}
        />
      ))}
      <Menu opened={isMenuOpen} onChange={setMenuOpen} position="bottom-start">
        <Menu.Target>
          <Button
            variant="default"
            leftSection={<ListFilter size={16} aria-hidden />}
            disabled={others.length === 0}
          >
            Filter
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {others.map(({ id, label }) => (
            <Menu.Item key={id} onClick={() => setOpenId(id)}>
              {label}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
      {used.length > 0 && (
        <Button variant="subtle" color="gray" onClick={clear}>
          Clear filters
        </Button>
      )}
    </>
  );
}
