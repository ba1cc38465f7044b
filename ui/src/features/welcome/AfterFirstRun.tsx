import { Anchor, CloseButton } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { strings } from "./strings";
import classes from "./Welcome.module.css";

/** Suggestions above the first run of an account. */
export function AfterFirstRun({ onClose }: { onClose: () => void }) {
  return (
    <nav aria-label={strings.next} className={classes.bar}>
      <span className="dimmed">{strings.next}</span>
      <Anchor
        renderRoot={(props) => <Link to="/pipelines" search={{ create: "blank" }} {...props} />}
      >
        {strings.write}
      </Anchor>
      <Anchor
        renderRoot={(props) => <Link to="/pipelines" search={{ create: "file" }} {...props} />}
      >
        {strings.import}
      </Anchor>
      <Anchor renderRoot={(props) => <Link to="/welcome" hash="next" {...props} />}>
        {strings.call}
      </Anchor>
      <CloseButton
        size={24}
        iconSize={14}
        aria-label={strings.close}
        className={classes.close}
        onClick={onClose}
      />
    </nav>
  );
}
