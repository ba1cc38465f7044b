import type { Usage } from "@/api/usage";
import type { Measure } from "./search";

/** Entries that have a colour of their own. The others are shown together. */
const COLOURED = 5;
/** The key of what belongs to no coloured entry. */
export const OTHERS = "";

export type Layer = { key: string; name: string };
export type Stack = { day: string; total: number; values: readonly number[] };
type Figures = { cost_usd_micros: number; tokens: number; runs: number };

function measured(figures: Figures, measure: Measure): number {
  if (measure === "cost") return figures.cost_usd_micros;
  return measure === "tokens" ? figures.tokens : figures.runs;
}

/** The entries with the largest values, largest first, and a last layer for the others if there are any. */
export function layersOf(usage: Usage, measure: Measure, others: string): Layer[] {
  const entries = usage.series
    .filter((entry) => measured(entry, measure) > 0)
    .sort((a, b) => measured(b, measure) - measured(a, measure));
  const layers = entries
    .slice(0, COLOURED)
    .map(({ key, name }) => ({ key, name: name || key || others }));
  const coloured = new Set(layers.map(({ key }) => key));
  const hasOthers = (usage.daily ?? []).some(
    (day) => measured(day, measure) > 0 && !coloured.has(day.key ?? OTHERS),
  );
  return hasOthers ? [...layers, { key: OTHERS, name: others }] : layers;
}

/** What each layer has on each day, in the order of the layers. */
export function stacksOf(
  usage: Usage,
  days: readonly string[],
  layers: readonly Layer[],
  measure: Measure,
): Stack[] {
  const place = new Map(layers.map(({ key }, index) => [key, index]));
  const last = layers.length - 1;
  const byDay = new Map(days.map((day) => [day, layers.map(() => 0)]));
  for (const entry of usage.daily ?? []) {
    const values = byDay.get(entry.day);
    const index = place.get(entry.key ?? OTHERS) ?? last;
    if (values?.[index] !== undefined) values[index] += measured(entry, measure);
  }
  return [...byDay].map(([day, values]) => ({
    day,
    values,
    total: values.reduce((sum, value) => sum + value, 0),
  }));
}

/** The smallest of 1, 2 or 5 times a power of ten that is at least as large. */
export function scaleEnd(most: number): number {
  if (most <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  return ([1, 2, 5, 10].find((factor) => factor * power >= most) ?? 10) * power;
}
