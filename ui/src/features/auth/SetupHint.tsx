import { Alert, Anchor } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { providersQuery } from "@/api/identities";
import { Message } from "@/ui/text/Message";
import { strings } from "./strings";

/** How to begin on a server without an account. Shows nothing on others. */
export default function SetupHint() {
  const { data } = useQuery(providersQuery);
  if (!data?.needs_setup) return null;
  return (
    <Alert variant="light" role="status" title={strings.setupTitle}>
      <Message text={strings.setupFirst} />{" "}
      <Anchor size="sm" renderRoot={(props) => <Link to="/register" {...props} />}>
        {strings.setupCreate}
      </Anchor>
    </Alert>
  );
}
