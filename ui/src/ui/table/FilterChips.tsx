import { Button } from "@mantine/core";
import { ListFilter } from "lucide-react";
import { lazy, type ReactNode, Suspense } from "react";
import classes from "./FilterChips.module.css";
import type { FilterProps } from "./FilterControls";
import { chipText, valuesOf } from "./filters";

const FilterControls = lazy(() => import("./FilterControls"));

type Props = FilterProps & {
  /** A search field before the chips. */
  children?: ReactNode;
};

/** The filters in use as chips, a menu that adds others (key f), and a button that removes all. */
export function FilterChips({ children, ...props }: Props) {
  return (
    <search className={classes.filters} aria-label="Filters">
      {children}
      <Suspense fallback={<Loading {...props} />}>
        <FilterControls {...props} />
      </Suspense>
    </search>
  );
}

/** What the controls look like while they load. */
function Loading({ filters, values }: FilterProps) {
  const used = filters.filter(({ id }) => valuesOf(values, id).length > 0);
  return (
    <>
      {used.map((filter) => (
        <span key={filter.id} className={classes.chip}>
          <span className={classes.edit}>
            <span className={classes.name}>{filter.label}</span>
            <span className={classes.value}>{chipText(filter, valuesOf(values, filter.id))}</span>
          </span>
        </span>
      ))}
      <Button variant="default" leftSection={<ListFilter size={16} aria-hidden />} disabled>
        Filter
      </Button>
    </>
  );
}
