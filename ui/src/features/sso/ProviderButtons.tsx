import { Alert, Button, Divider } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { asApiError } from "@/api/errors";
import { providersQuery, startAddress } from "@/api/identities";
import { ErrorText } from "@/ui/feedback/ErrorText";
import classes from "./Identities.module.css";
import { strings } from "./strings";

/** A button for each identity provider of the server. Shows nothing without one. */
export default function ProviderButtons({ next }: { next?: string }) {
  const { data, error, isFetching, refetch } = useQuery(providersQuery);
  if (error && data === undefined) {
    return (
      <>
        <Divider label={strings.or} />
        <Alert color="red" variant="light" role="alert" title={strings.providersFailed}>
          <p className={classes.reason}>
            <ErrorText error={asApiError(error)} />
          </p>
          <Button variant="default" loading={isFetching} onClick={() => void refetch()}>
            {strings.retry}
          </Button>
        </Alert>
      </>
    );
  }
  if (data === undefined || data.data.length === 0) return null;
  return (
    <>
      <Divider label={strings.or} />
      {data.data.map((provider) => (
        <Button
          key={provider.id}
          component="a"
          href={startAddress(provider, { next })}
          variant="default"
          fullWidth
        >
          {strings.continueWith(provider.name)}
        </Button>
      ))}
    </>
  );
}
