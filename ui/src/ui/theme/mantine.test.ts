import { existsSync, readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const sources = readdirSync("src", { recursive: true, encoding: "utf8" }).filter((file) =>
  file.endsWith(".tsx"),
);

function importedComponents(): Set<string> {
  const names = new Set<string>();
  for (const file of sources) {
    const text = readFileSync(`src/${file}`, "utf8");
    for (const match of text.matchAll(/import \{([^}]+)\} from "@mantine\/core"/g)) {
      for (const name of (match[1] ?? "").split(",")) names.add(name.trim());
    }
  }
  return names;
}

test("mantine.css has the styles of each component that is used", () => {
  const sheet = readFileSync("src/ui/theme/mantine.css", "utf8");

  const missing = [...importedComponents()].filter(
    (name) =>
      existsSync(`node_modules/@mantine/core/styles/${name}.css`) &&
      !sheet.includes(`/${name}.css`),
  );

  expect(missing).toEqual([]);
});

test("mantine.css keeps the order of the complete sheet, on which overrides depend", () => {
  const complete = readFileSync("node_modules/@mantine/core/styles.css", "utf8");
  const sheet = readFileSync("src/ui/theme/mantine.css", "utf8");

  const positions = [...sheet.matchAll(/core\/styles\/([A-Z]\w+)\.css/g)].map(([, name]) => {
    const styles = readFileSync(`node_modules/@mantine/core/styles/${name}.css`, "utf8");
    return complete.indexOf(/\.(m_[0-9a-f]+)/.exec(styles)?.[1] ?? "");
  });

  expect(positions).toEqual(positions.toSorted((a, b) => a - b));
});
