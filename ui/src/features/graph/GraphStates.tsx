import { TriangleAlert, Workflow } from "lucide-react";
import classes from "./Graph.module.css";
import { strings } from "./strings";

/** Above a graph that is older than the text. */
export function GraphNotice() {
  return (
    <p role="status" className={classes.notice}>
      <TriangleAlert size={16} aria-hidden />
      {strings.outdated}
    </p>
  );
}

/** In the place of a graph that cannot be drawn. */
export function GraphProblem({ kind }: { kind: "unreadable" | "failed" }) {
  return (
    <div role={kind === "failed" ? "alert" : undefined} className={classes.problem}>
      {kind === "failed" ? <TriangleAlert size={24} /> : <Workflow size={24} />}
      {kind === "failed" && <strong>{strings.failed}</strong>}
      <p>{kind === "failed" ? strings.failedText : strings.unreadable}</p>
    </div>
  );
}
