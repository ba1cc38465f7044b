import { Code } from "@mantine/core";
import type { ReactNode } from "react";
import classes from "./DevicePage.module.css";

/** A text whose parts between backticks are code. */
export function withCode(text: string): ReactNode {
  return text.split("`").map((part, index) =>
    index % 2 === 1 ? (
      <Code key={`${index}-${part}`} className={classes.command}>
        {part}
      </Code>
    ) : (
      part
    ),
  );
}
