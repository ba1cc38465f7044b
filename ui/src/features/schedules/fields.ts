import type { NewSchedule, Schedule, ScheduleChanges } from "@/api/schedules";
import { inputSchema, openedInput, type Schema } from "@/features/forms/schema";
import { viewerZone } from "./times";

/** The fields of the form. The input is a JSON text. */
export type Fields = Required<
  Pick<NewSchedule, "name" | "cron_expression" | "timezone" | "overlap" | "catch_up">
> & { input: string };

/** The fields of a schedule, or those with which a new one begins. */
export function fieldsOf(schedule: Schedule | undefined): Fields {
  return {
    name: schedule?.name ?? "",
    cron_expression: schedule?.cron_expression ?? "0 9 * * 1-5",
    timezone: schedule?.timezone ?? viewerZone(),
    input: JSON.stringify(schedule?.input_data ?? {}, null, 2),
    overlap: schedule?.overlap ?? "allow",
    catch_up: schedule?.catch_up ?? "none",
  };
}

/** The schema of the input. Without named fields, the input is written as JSON. */
export function scheduledSchema(definition: unknown): Schema {
  const schema = inputSchema(definition);
  const isEmpty = Object.keys(schema?.properties ?? {}).length === 0;
  return schema === null || isEmpty ? { type: "object" } : schema;
}

/** The input with which a new schedule begins. */
export function newInput(schema: Schema): string {
  return JSON.stringify(openedInput(schema, {}), null, 2);
}

/** The fields as they are sent. */
export function trimmed({ name, cron_expression, input, ...others }: Fields): Fields {
  return {
    ...others,
    name: name.trim(),
    cron_expression: cron_expression.trim(),
    input: input.trim() || "{}",
  };
}

/** The fields that a person has changed, and the changed input. Others may have changed the rest meanwhile. */
export function changedFields(
  opened: Fields,
  shown: Fields,
): { body: ScheduleChanges; inputText?: string } {
  const { input, ...sent } = trimmed(shown);
  const changed = Object.entries(sent).filter(
    ([field, value]) => opened[field as keyof Fields] !== value,
  );
  return {
    body: Object.fromEntries(changed),
    ...(input !== opened.input && { inputText: input }),
  };
}
