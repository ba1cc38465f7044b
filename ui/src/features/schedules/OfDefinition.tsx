import { Anchor } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import classes from "./Schedules.module.css";
import { strings } from "./strings";

/** Where the times of a schedule that comes from a definition can be changed. */
export function OfDefinition({ pipelineId }: { pipelineId: string }) {
  return (
    <p className={classes.text}>
      {strings.ofDefinition}{" "}
      <Anchor
        renderRoot={(props) => (
          <Link to="/pipelines/$id/edit" params={{ id: pipelineId }} {...props} />
        )}
      >
        {strings.editPipeline}
      </Anchor>
    </p>
  );
}
