import fc from "fast-check";
import { test } from "vitest";
import { World } from "./draftWorld";

const TABS = 3;
const tab = fc.nat(TABS - 1);
const action = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("type" as const),
      tab,
      at: fc.nat(20),
      joins: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("flush" as const), tab }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("deliver" as const),
      tab,
      how: fc.constantFrom("ok", "answer lost", "request lost", "late"),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("arriveLate" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("save" as const), tab }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("hear" as const), tab }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("kill" as const), tab }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("open" as const), tab }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("resolve" as const), tab }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("memberSaves" as const) }) },
);

test("no typed text is lost, whatever ends, collides or gets no answer", () => {
  fc.assert(
    fc.property(
      fc.array(action, { minLength: 5, maxLength: 80 }),
      fc.boolean(),
      (actions, isNew) => {
        const world = new World(isNew);
        for (const each of actions) {
          world.perform(each);
          world.expectAllKnown();
        }
        world.settle();
        world.expectAllSaved();
      },
    ),
    { numRuns: Number(process.env.FC_RUNS ?? 1000) },
  );
});
